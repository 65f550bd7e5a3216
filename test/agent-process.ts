/**
 * A real agent for tests: `node dist/tetherd.cjs run` on a configuration, a state folder and a free port of its
 * own, and the real `tether` against it.
 *
 * The bundles are run because they start four times as fast as the sources and are what people get; the test
 * command builds them first. While working on the sources, TETHER_TEST_SOURCE=1 runs those instead.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

/** Who owns what a test starts: a test's context, or `{ after }` of node:test for a whole file. */
export interface Owner {
  after(action: () => unknown): void;
}

/** A line of the agent's log. */
export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly message: string;
  readonly [fact: string]: unknown;
}

/** What a program that has ended leaves. */
export interface Ended {
  /** 128 + N when signal N ended it, as a shell has it; -1 for a signal that is not to be expected here. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AgentOptions {
  /**
   * YAML text, or an object whose members replace those of the tests' own configuration: 127.0.0.1, port 0, no
   * discovery.
   */
  readonly configuration?: string | { readonly [key: string]: unknown };
  /** The folder of an agent that has stopped, to start it again on the same state and configuration. */
  readonly folder?: string;
  /** Node's program; the one that runs the test unless given. */
  readonly node?: string;
  /** The agent's bundle, where it is not the one in `dist/`. */
  readonly program?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface RunOptions {
  /** `$TETHER_HOME`; the one of the last {@link AgentProcess.pair} unless given. */
  readonly home?: string;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Milliseconds within which a program starts, stops or answers on the slowest machine that runs the tests. */
const BOUND = 30_000;
const SIGNALS: { readonly [name: string]: number } = { SIGINT: 2, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 };

const root = fileURLToPath(new URL("..", import.meta.url));

/** What stands behind `node` to run one of the two programs. */
export function programArguments(program: "tether" | "tetherd"): string[] {
  if (process.env.TETHER_TEST_SOURCE === "1") {
    const source = program === "tetherd" ? "agent/main.ts" : "controller/main.ts";
    return ["--import", import.meta.resolve("tsx"), join(root, source)];
  }
  const bundle = join(root, "dist", `${program}.cjs`);
  if (!existsSync(bundle)) throw new Error(`${bundle} is missing: run \`npm run build\``);
  return [bundle];
}

/** Runs `tether`, or `tetherd`, to its end. */
export async function runProgram(
  program: "tether" | "tetherd",
  args: readonly string[],
  { home, input = "", env = {}, cwd }: RunOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [...programArguments(program), ...args], {
    env: { ...cleanEnvironment(), ...(home !== undefined && { TETHER_HOME: home }), ...env },
    ...(cwd !== undefined && { cwd }),
    timeout: 2 * BOUND,
    killSignal: "SIGKILL",
  });
  const ended = exitOf(child);
  // A program that ends without reading what it is given is not this function's concern.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Starts an agent and waits until it is ready; `owner` ends it and removes its files. */
export async function startAgent(owner: Owner, options: AgentOptions = {}): Promise<AgentProcess> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "tether-agent-"));
  if (options.folder === undefined) owner.after(() => rmSync(folder, { recursive: true, force: true }));
  const agent = new AgentProcess(folder, options);
  owner.after(() => agent.stop("SIGKILL"));
  await agent.ready();
  return agent;
}

/** One running agent. */
export class AgentProcess {
  /** Temporary folder that holds the configuration, the state and the controllers' homes. */
  readonly folder: string;
  readonly statePath: string;
  readonly configurationFile: string;
  /** The log so far. */
  readonly log: LogLine[] = [];
  /** What was written to stderr so far: nothing, when all is well. */
  stderr = "";
  /** Settles with the exit code once the process has ended. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #homes = 0;
  #home: string | undefined;

  /** For {@link startAgent}. */
  constructor(folder: string, options: AgentOptions) {
    this.folder = folder;
    this.statePath = join(folder, "state");
    this.configurationFile = join(folder, "agent.yaml");
    if (options.folder === undefined || options.configuration !== undefined) {
      writeFileSync(this.configurationFile, configurationText(options.configuration), { mode: 0o600 });
    }
    const program = options.program === undefined ? programArguments("tetherd") : [options.program];
    const args = [...program, "run"];
    args.push("--config", this.configurationFile, "--state", this.statePath);
    const child = spawn(options.node ?? process.execPath, args, {
      env: { ...cleanEnvironment(), ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.exited = exitOf(child);
    // A test that is cut short must not leave its agent behind.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    exitOnSignals();
    child.once("close", () => {
      process.off("exit", kill);
      this.#changed();
    });
    child.stderr.setEncoding("utf8").on("data", (more: string) => {
      this.stderr += more;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.log.push(JSON.parse(line) as LogLine);
      this.#changed();
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Port of the native wire. */
  get port(): number {
    return Number(this.#readyLine?.port);
  }

  get fingerprint(): string {
    return String(this.#readyLine?.fingerprint);
  }

  get #readyLine(): LogLine | undefined {
    return this.log.find(({ event }) => event === "ready");
  }

  /** Waits until everything listens; throws with what the agent said when it ends before. */
  async ready(): Promise<void> {
    await this.line("ready");
  }

  /** The first line of this event, from line `from` of the log on, that fits; waits until there is one. */
  async line(event: string, fits: (line: LogLine) => boolean = () => true, from = 0): Promise<LogLine> {
    const find = () => this.log.slice(from).find((line) => line.event === event && fits(line));
    await this.#until(() => find() !== undefined, `the log line "${event}"`);
    return find() as LogLine;
  }

  /** A fresh folder for a controller's files. */
  makeHome(): string {
    const home = join(this.folder, `home-${++this.#homes}`);
    mkdirSync(home, { mode: 0o700 });
    return home;
  }

  /** Pairs a controller as a person does, with `tetherd pair` and `tether pair`; gives its home. */
  async pair(home: string = this.makeHome(), options: { readonly role?: string } = {}): Promise<string> {
    const role = options.role === undefined ? [] : ["--role", options.role];
    const { code } = JSON.parse(succeeded(await this.tetherd(["pair", "--json", ...role])).stdout) as {
      code: string;
    };
    const address = `127.0.0.1:${this.port}`;
    succeeded(await this.tether(["pair", address, "--code", "-"], { home, input: code }));
    this.#home = home;
    return home;
  }

  /** Runs `tether`. */
  tether(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const home = options.home ?? this.#home;
    return runProgram("tether", args, { ...options, ...(home !== undefined && { home }) });
  }

  /** Runs `tetherd` on this agent's state folder. */
  tetherd(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return runProgram("tetherd", [...args, "--state", this.statePath], options);
  }

  /** Sends a signal without waiting for anything. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends the agent; gives its exit code. Throws when it does not end. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
    return within(this.exited, () => `the agent did not end on ${signal}`);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const met = new Promise<void>((resolve, reject) => {
      const look = () => {
        const gone = this.#child.exitCode !== null || this.#child.signalCode !== null;
        if (!condition() && !gone) return;
        this.#listeners.delete(look);
        if (condition()) resolve();
        else reject(new Error(`the agent ended before ${what}: ${this.#report()}`));
      };
      this.#listeners.add(look);
      look();
    });
    await within(met, () => `waited in vain for ${what}: ${this.#report()}`);
  }

  #changed(): void {
    for (const look of [...this.#listeners]) look();
  }

  #report(): string {
    const last = this.log.slice(-5).map((line) => JSON.stringify(line));
    return [this.stderr.trim(), ...last].filter((line) => line !== "").join("\n") || "it said nothing";
  }
}

/** The program's outcome when its exit code is 0; throws with what it said otherwise. */
export function succeeded(ended: Ended): Ended {
  if (ended.code === 0) return ended;
  throw new Error(`exit code ${ended.code}: ${ended.stderr || ended.stdout}`);
}

function configurationText(configuration: AgentOptions["configuration"] = {}): string {
  if (typeof configuration === "string") return configuration;
  const base = {
    name: "test-agent",
    listen: { host: "127.0.0.1", port: 0 },
    discovery: { broadcast: false },
  };
  // JSON is YAML.
  return JSON.stringify({ ...base, ...configuration }, null, 2);
}

/** Lets the exit handlers run where the test runner ends a test that takes too long. */
function exitOnSignals(): void {
  for (const [signal, number] of [
    ["SIGTERM", 15],
    ["SIGINT", 2],
  ] as const) {
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(128 + number));
  }
}

/** The environment without what would change how the programs behave, or the test runner how a child reports. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const {
    TETHER_AGENT: _a,
    TETHER_HOME: _h,
    STATE_DIRECTORY: _s,
    NODE_TEST_CONTEXT: _n,
    ...rest
  } = process.env;
  return rest;
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const number = SIGNALS[signal ?? ""];
      resolve(code ?? (number === undefined ? -1 : 128 + number));
    });
  });
}

async function within<T>(promise: Promise<T>, complaint: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint())), BOUND);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
