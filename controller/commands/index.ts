import type { CommandContext } from "../command-context.ts";

/** What the options are called, which take a value, and which every verb takes. */
export const OPTIONS = {
  agent: { short: "a", value: "NAME", global: true, summary: "the agent; may be given several times" },
  all: { global: true, summary: "every paired agent" },
  tag: { value: "TAG", global: true, summary: "every paired agent with this tag" },
  json: { global: true, summary: "one JSON document on stdout" },
  timeout: { value: "DURATION", global: true, summary: "give up after this long, as 5s (exit code 3)" },
  help: { short: "h", global: true, summary: "how to use the verb" },
  version: { global: true, summary: "the version of this program" },
  baud: { value: "N", global: false, summary: "bits a second" },
  batch: { value: "FILE", global: false, summary: "a call a line; - for stdin" },
  checksum: { global: false, summary: "compare files by their content, not by size and time" },
  code: { value: "CODE", global: false, summary: "the pairing code; - reads it from stdin" },
  compress: { value: "auto|on|off", global: false, summary: "pack what is sent; auto: where that is faster" },
  count: { short: "c", value: "N", global: false, summary: "how many times" },
  cwd: { value: "FOLDER", global: false, summary: "where to run it there" },
  csv: { value: "FILE", global: false, summary: "append the readings to this file too" },
  delete: { global: false, summary: "remove from the target what the source has not" },
  detach: { global: false, summary: "go on when this ends; gives the job's id" },
  "dry-run": { global: false, summary: "say what would be done, and do nothing" },
  env: { value: "NAME=VALUE", global: false, summary: "a variable there; may be given several times" },
  exclude: {
    value: "GLOB",
    global: false,
    summary: "leave these alone on both sides; may be given several times",
  },
  fetch: {
    value: "GLOB",
    global: false,
    summary: "bring these files of the work folder; may be given several times",
  },
  follow: { short: "f", global: false, summary: "go on, and show what comes" },
  from: { value: "N", global: false, summary: "pass over so many bytes of output" },
  hex: { global: false, summary: "show the bytes as hexadecimal digits" },
  key: { value: "KEY", global: false, summary: "makes the call happen once, however often it is sent" },
  listen: { value: "[HOST:]PORT", global: false, summary: "where to listen here; port 0 is any free one" },
  log: { value: "FILE", global: false, summary: "append what passes, both ways with times, to this file" },
  name: { value: "NAME", global: false, summary: "what to call the agent here" },
  passive: { global: false, summary: "connect to the server for data, instead of it to here" },
  "password-file": { value: "FILE", global: false, summary: "a file with the password" },
  port: { value: "N", global: false, summary: "UDP port that agents listen on" },
  recursive: { short: "r", global: false, summary: "folders too, with all that is in them" },
  spread: {
    value: "FILE",
    global: false,
    summary: "a call a line, given to the agents as they become free; - for stdin",
  },
  take: { global: false, summary: "take it from whoever holds it (needs the role admin)" },
  target: { value: "ADDRESS", global: false, summary: "ask this address too; may be given several times" },
  terminal: { short: "t", global: false, summary: "give it a terminal" },
  tls: { global: false, summary: "protect commands and data" },
  verbose: { short: "v", global: false, summary: "show all that the tool says" },
  watch: { global: false, summary: "go on, and show who comes and goes, or send what changes" },
} as const satisfies Record<string, OptionFacts>;

/** An option, whichever it is. */
export function optionFacts(name: OptionName): OptionFacts {
  return OPTIONS[name];
}

/** What there is to know of an option. */
export interface OptionFacts {
  readonly short?: string;
  /** What the value stands for; absent for a flag. */
  readonly value?: string;
  readonly global: boolean;
  readonly summary: string;
}

/** The name of an option, without its dashes. */
export type OptionName = keyof typeof OPTIONS;

/** A verb of `tether`; its code is loaded when it is used. */
export interface Verb {
  readonly usage: string;
  readonly summary: string;
  /** Options of its own, beside the global ones. */
  readonly options: readonly OptionName[];
  /** Exit code of a failure of Tether's, where other exit codes are those of a program on the agent. */
  readonly failure?: number;
  /** Milliseconds that the verb gets to end by itself once it is to stop. */
  readonly grace?: number;
  readonly load: () => Promise<{ readonly run: (context: CommandContext) => Promise<number> }>;
}

/** The one table of verbs, in the order in which `tether help` shows them. */
export const VERBS = {
  discover: {
    usage: "[--timeout 1s] [--watch] [--port N] [--target ADDRESS…]",
    summary: "find agents on the network",
    options: ["watch", "port", "target"],
    load: () => import("./discover.ts"),
  },
  pair: {
    usage: "HOST[:PORT] --code CODE [--name NAME]",
    summary: "pair with an agent, by the code that `tetherd pair` prints there",
    options: ["code", "name"],
    load: () => import("./pair.ts"),
  },
  agents: { usage: "", summary: "the paired agents", options: [], load: () => import("./agents.ts") },
  use: { usage: "NAME", summary: "make an agent the default", options: [], load: () => import("./use.ts") },
  forget: { usage: "NAME", summary: "undo a pairing here", options: [], load: () => import("./forget.ts") },
  info: {
    usage: "",
    summary: "facts about the agent's machine",
    options: [],
    load: () => import("./info.ts"),
  },
  ping: { usage: "[-c N]", summary: "round-trip times", options: ["count"], load: () => import("./ping.ts") },
  logs: {
    usage: "[-f]",
    summary: "the agent's log",
    options: ["follow"],
    load: () => import("./logs.ts"),
  },
  procedures: {
    usage: "[PREFIX]",
    summary: "what can be called",
    options: [],
    load: () => import("./procedures.ts"),
  },
  call: {
    usage: "PROCEDURE [ARG…] [--key KEY] | PROCEDURE --spread FILE | --batch FILE",
    summary: "call a procedure; an ARG that is valid JSON is that value, else a string",
    options: ["batch", "key", "spread"],
    load: () => import("./call.ts"),
  },
  ls: { usage: "[PATH]", summary: "the files on the agent", options: [], load: () => import("./ls.ts") },
  stat: { usage: "PATH", summary: "one file, folder or link", options: [], load: () => import("./stat.ts") },
  cat: { usage: "PATH…", summary: "the content of files", options: [], load: () => import("./cat.ts") },
  mkdir: { usage: "PATH", summary: "make a folder", options: [], load: () => import("./mkdir.ts") },
  rm: {
    usage: "[-r] PATH…",
    summary: "remove files, with -r folders too",
    options: ["recursive"],
    load: () => import("./rm.ts"),
  },
  mv: {
    usage: "FROM TO",
    summary: "move a file or folder, on the agent",
    options: [],
    load: () => import("./mv.ts"),
  },
  df: { usage: "", summary: "how much room there is for files", options: [], load: () => import("./df.ts") },
  get: {
    usage: "[-r] [--compress MODE] REMOTE… LOCAL",
    summary: "bring files here; REMOTE is AGENT:PATH, or :PATH for the default agent",
    options: ["recursive", "compress"],
    load: () => import("./get.ts"),
  },
  put: {
    usage: "[-r] [--compress MODE] LOCAL… REMOTE",
    summary: "bring files to AGENT:PATH, or :PATH for the default agent",
    options: ["recursive", "compress"],
    load: () => import("./put.ts"),
  },
  sync: {
    usage: "[--delete] [--dry-run] [--checksum] [--exclude GLOB]… [--compress MODE] [--watch] SOURCE TARGET",
    summary: "make TARGET equal to SOURCE by sending what is different; one of them is AGENT:PATH",
    options: ["delete", "dry-run", "checksum", "exclude", "compress", "watch"],
    load: () => import("./sync.ts"),
  },
  exec: {
    usage: "[-t] [--cwd FOLDER] [--env NAME=VALUE] [--detach] -- COMMAND…",
    summary: "run a program on the agent; exits as the program does, 255 when Tether fails",
    options: ["terminal", "cwd", "env", "detach"],
    failure: 255,
    grace: 5_000,
    load: () => import("./exec.ts"),
  },
  run: {
    usage: "FILE [ARG…] [--fetch GLOB]",
    summary: "run a script from here on the agent, and bring what GLOB matches",
    options: ["fetch", "cwd", "env"],
    failure: 255,
    grace: 5_000,
    load: () => import("./run.ts"),
  },
  jobs: {
    usage: "",
    summary: "the programs started by `exec --detach`",
    options: [],
    load: () => import("./jobs.ts"),
  },
  "job logs": {
    usage: "[-f] [--from N] ID",
    summary: "what a job has written",
    options: ["follow", "from"],
    load: () => import("./job-logs.ts"),
  },
  "job wait": {
    usage: "ID",
    summary: "wait for a job; exits as the job did, 255 when Tether fails",
    options: [],
    failure: 255,
    load: () => import("./job-wait.ts"),
  },
  "job cancel": {
    usage: "ID",
    summary: "end a job and all its processes",
    options: [],
    load: () => import("./job-cancel.ts"),
  },
  forward: {
    usage: "[LOCAL:]PORT",
    summary: "a TCP port of the agent's machine on this one's 127.0.0.1",
    options: [],
    load: () => import("./forward.ts"),
  },
  "device list": {
    usage: "",
    summary: "the hardware on the agent's serial ports",
    options: [],
    load: () => import("./device-list.ts"),
  },
  "device watch": {
    usage: "DEVICE [READING…] [--csv FILE]",
    summary: "a device's readings as they come, until Ctrl-C",
    options: ["csv"],
    load: () => import("./device-watch.ts"),
  },
  "serial list": {
    usage: "",
    summary: "the agent's serial ports",
    options: [],
    load: () => import("./serial-list.ts"),
  },
  "serial monitor": {
    usage: "DEVICE|PATH [--baud N] [--hex] [--log FILE] [--take]",
    summary: "a terminal on a port; Ctrl-] leaves",
    options: ["baud", "hex", "log", "take"],
    grace: 3_000,
    load: () => import("./serial-monitor.ts"),
  },
  "serial record": {
    usage: "DEVICE|PATH FILE",
    summary: "what passes on a port, both ways with times, to a file until Ctrl-C",
    options: [],
    load: () => import("./serial-record.ts"),
  },
  "serial send": {
    usage: "DEVICE|PATH TEXT [--baud N]",
    summary: "one line there, the answer back",
    options: ["baud"],
    load: () => import("./serial-send.ts"),
  },
  "serial expose": {
    usage: "DEVICE|PATH [--listen 127.0.0.1:N] [--take]",
    summary: "an RFC 2217 server here for a port there, until Ctrl-C",
    options: ["listen", "take"],
    load: () => import("./serial-expose.ts"),
  },
  flash: {
    usage: "DEVICE FILE [-v] [--take]",
    summary: "write a program into a device's board: .hex, .bin, .uf2 or .elf",
    options: ["verbose", "take"],
    load: () => import("./flash.ts"),
  },
  shell: {
    usage: "",
    summary: "files, procedures and devices of an agent, a line at a time",
    options: [],
    load: () => import("./shell.ts"),
  },
  ftp: {
    usage: "[USER@]HOST[:PORT] [--passive] [--tls] [--password-file FILE]",
    summary: "the shell's verbs against any FTP server",
    options: ["passive", "tls", "password-file"],
    load: () => import("./ftp.ts"),
  },
  completion: {
    usage: "bash|zsh|fish",
    summary: "a script that completes verbs and options",
    options: [],
    load: () => import("./completion.ts"),
  },
  help: { usage: "[VERB]", summary: "this list, or one verb", options: [], load: () => import("./help.ts") },
  version: {
    usage: "",
    summary: "the version of this program",
    options: [],
    load: () => import("./version.ts"),
  },
} as const satisfies Record<string, Verb>;
