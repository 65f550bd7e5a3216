import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { posix, resolve } from "node:path";
import { TetherError } from "../../protocol/index.ts";
import { argumentValue } from "../arguments.ts";
import { fileTable } from "../render/file-table.ts";
import { table } from "../render/table.ts";
import { valueText } from "../render/value.ts";
import type { RemoteEntry, ShellBackend } from "./backend.ts";

/** Carries `work` out while nobody else reads the keyboard. */
export type WhileAway = <T>(work: () => Promise<T>) => Promise<T>;

/** What a shell is working on. */
export interface ShellState {
  backend: ShellBackend;
  /** Absolute, on the other side. */
  remoteFolder: string;
  /** Absolute, here. */
  localFolder: string;
  /** Connects to another agent or server; `whileAway` lends the keyboard, to ask for a password. */
  readonly connect: (target: string, signal: AbortSignal, whileAway: WhileAway) => Promise<ShellBackend>;
  /** Set by a shell that holds the keyboard. */
  whileAway?: WhileAway;
}

/** What an argument of a verb can be completed to. */
export type Completable =
  | "remote"
  | "remote folder"
  | "local"
  | "local folder"
  | "procedure"
  | "verb"
  | "nothing";

/** One verb of the shell. */
export interface ShellVerb {
  readonly usage: string;
  readonly summary: string;
  /** Least and most arguments, options not counted. */
  readonly takes: readonly [number, number];
  readonly completes: Completable;
  /** What an argument after the first can be, besides, where the last one says where to. */
  readonly endsWith?: Completable;
  /** True when its arguments are a command's: none of them is an option of the shell's. */
  readonly takesCommand?: boolean;
  /** True when it needs procedures on the other side. */
  readonly callable?: boolean;
  /** Gives what is printed; `leave` ends the shell. */
  run(args: readonly string[], state: ShellState, given: Given): Promise<string | typeof LEAVE>;
}

/** How a verb was called. */
export interface Given {
  readonly recursive: boolean;
  readonly signal: AbortSignal;
}

/** What `bye` gives. */
export const LEAVE = Symbol("leave the shell");

const ANY = Number.POSITIVE_INFINITY;

/** The one table of the shell's verbs. */
export const SHELL_VERBS: { readonly [name: string]: ShellVerb } = {
  ls: {
    usage: "ls [PATH]",
    summary: "the entries of a folder over there",
    takes: [0, 1],
    completes: "remote",
    run: async ([path], state, { signal }) => fileTable(await entriesOf(remote(state, path), state, signal)),
  },
  cd: {
    usage: "cd [PATH]",
    summary: "change the folder over there",
    takes: [0, 1],
    completes: "remote folder",
    async run([path = "/"], state, { signal }) {
      const folder = remote(state, path);
      if (folder !== "/") {
        const { type } = await state.backend.stat(folder, signal);
        if (type !== "directory" && type !== "symlink")
          throw new TetherError("invalid", `${folder} is no folder`);
        if (type === "symlink") await state.backend.list(folder, signal);
      }
      state.remoteFolder = folder;
      return "";
    },
  },
  pwd: {
    usage: "pwd",
    summary: "the folder over there",
    takes: [0, 0],
    completes: "nothing",
    run: async (_, state) => state.remoteFolder,
  },
  lcd: {
    usage: "lcd [PATH]",
    summary: "change the folder here",
    takes: [0, 1],
    completes: "local folder",
    async run([path = homedir()], state) {
      const folder = local(state, path);
      await readdir(folder);
      state.localFolder = folder;
      return "";
    },
  },
  lpwd: {
    usage: "lpwd",
    summary: "the folder here",
    takes: [0, 0],
    completes: "nothing",
    run: async (_, state) => state.localFolder,
  },
  get: {
    usage: "get [-r] REMOTE… [LOCAL]",
    summary: "bring files here; the last of several is where to",
    takes: [1, ANY],
    completes: "remote",
    endsWith: "local folder",
    run(args, state, given) {
      const { sources, target } = split(args, state.localFolder);
      return state.backend.get(
        sources.map((path) => remote(state, path)),
        local(state, target),
        given,
      );
    },
  },
  put: {
    usage: "put [-r] LOCAL… [REMOTE]",
    summary: "bring files there; the last of several is where to",
    takes: [1, ANY],
    completes: "local",
    endsWith: "remote folder",
    run(args, state, given) {
      const { sources, target } = split(args, state.remoteFolder);
      return state.backend.put(
        sources.map((path) => local(state, path)),
        remote(state, target),
        given,
      );
    },
  },
  mkdir: {
    usage: "mkdir PATH",
    summary: "make a folder over there",
    takes: [1, 1],
    completes: "remote folder",
    run: ([path], state, { signal }) => quiet(state.backend.makeFolder(remote(state, path), signal)),
  },
  rm: {
    usage: "rm [-r] PATH",
    summary: "remove a file over there, or with -r a folder and all in it",
    takes: [1, 1],
    completes: "remote",
    run: ([path], state, { recursive, signal }) =>
      quiet(state.backend.remove(remote(state, path), recursive, signal)),
  },
  mv: {
    usage: "mv FROM TO",
    summary: "rename something over there",
    takes: [2, 2],
    completes: "remote",
    run: ([from, to], state, { signal }) =>
      quiet(state.backend.move(remote(state, from), remote(state, to), signal)),
  },
  system: {
    usage: "system",
    summary: "what the other side runs on",
    takes: [0, 0],
    completes: "nothing",
    run: (_, state, { signal }) => state.backend.system(signal),
  },
  call: {
    usage: "call PROCEDURE [ARG…]",
    summary: "call a procedure",
    takes: [1, ANY],
    completes: "procedure",
    callable: true,
    run: async ([procedure = "", ...args], state, { signal }) =>
      valueText((await state.backend.procedures?.call(procedure, args.map(argumentValue), signal)) ?? null),
  },
  exec: {
    usage: "exec COMMAND…",
    summary: "run a program over there, without input",
    takes: [1, ANY],
    completes: "nothing",
    takesCommand: true,
    callable: true,
    async run(command, { backend }, { signal }) {
      const code = (await backend.procedures?.exec(command, signal)) ?? 0;
      if (code !== 0) throw new TetherError("internal", `exit code ${code}`);
      return "";
    },
  },
  devices: {
    usage: "devices",
    summary: "the hardware over there",
    takes: [0, 0],
    completes: "nothing",
    callable: true,
    run: async (_, state, { signal }) => (await state.backend.procedures?.devices(signal)) ?? "",
  },
  connect: {
    usage: "connect NAME",
    summary: "go on with another one",
    takes: [1, 1],
    completes: "nothing",
    async run([target = ""], state, { signal }) {
      const backend = await state.connect(target, signal, state.whileAway ?? ((work) => work()));
      const folder = (await backend.startFolder?.(signal)) ?? "/";
      state.backend.close();
      state.backend = backend;
      state.remoteFolder = folder;
      return `connected to ${backend.name}`;
    },
  },
  help: {
    usage: "help [VERB]",
    summary: "this list",
    takes: [0, 1],
    completes: "verb",
    run: async ([wanted], state) => {
      const verbs = usableVerbs(state.backend).filter(([name]) => wanted === undefined || name === wanted);
      if (verbs.length === 0) throw new TetherError("usage", `there is no verb "${wanted}"`);
      return table(
        undefined,
        verbs.map(([, { usage, summary }]) => [usage, summary]),
      );
    },
  },
  bye: { usage: "bye", summary: "leave", takes: [0, 0], completes: "nothing", run: async () => LEAVE },
  exit: { usage: "exit", summary: "leave", takes: [0, 0], completes: "nothing", run: async () => LEAVE },
};

/** The verbs that make sense on this other side. */
export function usableVerbs(backend: ShellBackend): [string, ShellVerb][] {
  return Object.entries(SHELL_VERBS).filter(([, verb]) => !verb.callable || backend.procedures !== undefined);
}

/** A path over there, from the folder that the shell is in. */
export function remote(state: ShellState, path = "."): string {
  return posix.resolve("/", state.remoteFolder, path);
}

/** A path here, from the folder that the shell is in; `~` is the person's own. */
export function local(state: ShellState, path = "."): string {
  return resolve(state.localFolder, path.replace(/^~(?=$|[/\\])/, homedir()));
}

/** `get A` brings it to the folder one is in; of several the last says where to. */
function split(args: readonly string[], folder: string): { sources: readonly string[]; target: string } {
  if (args.length === 1) return { sources: args, target: folder };
  return { sources: args.slice(0, -1), target: args.at(-1) as string };
}

async function entriesOf(
  path: string,
  { backend }: ShellState,
  signal: AbortSignal,
): Promise<readonly RemoteEntry[]> {
  if (path === "/") return backend.list(path, signal);
  const entry = await backend.stat(path, signal);
  return entry.type === "directory" ? backend.list(path, signal) : [entry];
}

async function quiet(work: Promise<void>): Promise<string> {
  await work;
  return "";
}
