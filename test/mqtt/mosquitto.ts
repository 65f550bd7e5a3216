/** The real mosquitto and its clients, for tests. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Owner } from "../agent-process.ts";
import { freePort } from "../free-port.ts";
import { findCommand } from "../peers.ts";

/** Milliseconds within which a program starts or a message comes on the slowest machine that runs the tests. */
const BOUND = 30_000;

/** A certificate with its key, and who has signed it, as paths. */
export interface TlsFiles {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export interface MosquittoOptions {
  /** Without it everybody is let in. */
  readonly login?: { readonly user: string; readonly password: string };
  readonly tls?: TlsFiles;
}

/** Makes a certificate for 127.0.0.1, signed by an authority of its own. */
export function makeTlsFiles(folder: string): TlsFiles {
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe", cwd: folder });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
  );
  openssl("req", ...key, "-subj", "/CN=broker", "-keyout", "broker.key", "-out", "broker.csr");
  writeFileSync(path("san.txt"), "subjectAltName=IP:127.0.0.1\n");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san.txt"];
  openssl("x509", "-req", "-days", "2", "-in", "broker.csr", ...signed, "-out", "broker.pem");
  return { authority: path("ca.pem"), certificate: path("broker.pem"), key: path("broker.key") };
}

/** A folder that `owner` removes. */
export function temporaryFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "tether-mqtt-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts mosquitto on a port of its own; `owner` ends it. */
export async function startMosquitto(owner: Owner, options: MosquittoOptions = {}): Promise<Mosquitto> {
  const folder = temporaryFolder(owner);
  const port = await freePort();
  const lines = [`listener ${port} 127.0.0.1`, "user root", "persistence false", "connection_messages true"];
  if (options.login === undefined) lines.push("allow_anonymous true");
  else {
    const file = join(folder, "passwords");
    execFileSync("mosquitto_passwd", ["-b", "-c", file, options.login.user, options.login.password]);
    lines.push("allow_anonymous false", `password_file ${file}`);
  }
  if (options.tls !== undefined) {
    lines.push(`certfile ${options.tls.certificate}`, `keyfile ${options.tls.key}`);
  }
  writeFileSync(join(folder, "mosquitto.conf"), `${lines.join("\n")}\n`);
  const broker = new Mosquitto(join(folder, "mosquitto.conf"), port, options);
  owner.after(() => broker.stop());
  await broker.start();
  return broker;
}

/** One mosquitto, which may be stopped and started again on its port. */
export class Mosquitto {
  readonly port: number;
  readonly log: string[] = [];
  readonly #configuration: string;
  readonly #options: MosquittoOptions;
  #child: ChildProcess | undefined;

  constructor(configuration: string, port: number, options: MosquittoOptions) {
    this.#configuration = configuration;
    this.port = port;
    this.#options = options;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? "mqtt" : "mqtts"}://127.0.0.1:${this.port}`;
  }

  /** What its clients need to come in. */
  get clientArguments(): string[] {
    const { login, tls } = this.#options;
    return [
      ...["-h", "127.0.0.1", "-p", String(this.port)],
      ...(login === undefined ? [] : ["-u", login.user, "-P", login.password]),
      ...(tls === undefined ? [] : ["--cafile", tls.authority]),
    ];
  }

  async start(): Promise<void> {
    const child = spawnOwned(findCommand("mosquitto") ?? "mosquitto", ["-c", this.#configuration]);
    this.#child = child;
    const seen = linesOf(child, this.log, "stderr");
    await seen((line) => / running$/.test(line), "mosquitto to run", this.log.length);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
  }

  /** Sends a signal without waiting for anything. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }
}

/** A message as a subscriber sees it. */
export interface SeenMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retained: boolean;
}

/** A running mosquitto_sub. */
export class Subscriber {
  readonly messages: SeenMessage[] = [];
  readonly #seen: Watch;
  readonly #lines: string[] = [];

  constructor(child: ChildProcess) {
    this.#seen = linesOf(child, this.#lines, "stdout", (line) => {
      const [retained, topic, ...payload] = line.split("\t");
      // Between the messages stand words of its own.
      if (topic === undefined) return;
      this.messages.push({ retained: retained === "1", topic, payload: payload.join("\t") });
    });
  }

  /** Resolves once the broker has said that it will send. */
  async subscribed(): Promise<void> {
    await this.#seen((line) => line.startsWith("Subscribed"), "mosquitto_sub to be subscribed", 0);
  }

  /** The first message that fits, from message `from` on; waits until there is one. */
  async message(fits: (message: SeenMessage) => boolean, what: string, from = 0): Promise<SeenMessage> {
    const find = () => this.messages.slice(from).find(fits);
    await this.#seen(() => find() !== undefined, what, 0);
    return find() as SeenMessage;
  }

  /** The first message on a topic. */
  on(topic: string, from = 0): Promise<SeenMessage> {
    return this.message((message) => message.topic === topic, `a message on ${topic}`, from);
  }
}

/** Subscribes; resolves once the broker has said that it will send. `owner` ends it. */
export async function subscribe(
  owner: Owner,
  clientArguments: readonly string[],
  topics: readonly string[],
): Promise<Subscriber> {
  const filters = topics.flatMap((topic) => ["-t", topic]);
  const format = ["-F", "%r\t%t\t%p"];
  const args = [...clientArguments, "-d", ...filters, ...format];
  const child = spawnOwned("stdbuf", ["-oL", "mosquitto_sub", ...args]);
  owner.after(() => child.kill("SIGKILL"));
  const subscriber = new Subscriber(child);
  await subscriber.subscribed();
  return subscriber;
}

/** Runs mosquitto_pub, or mosquitto_rr, to its end; gives what it printed. */
export function publish(
  clientArguments: readonly string[],
  args: readonly string[],
  program: "mosquitto_pub" | "mosquitto_rr" = "mosquitto_pub",
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawnOwned(program, [...clientArguments, ...args]);
    let said = "";
    child.stdout?.on("data", (more) => {
      said += more;
    });
    child.stderr?.on("data", (more) => {
      said += more;
    });
    child.once("close", (code) => {
      if (code === 0) resolve(said.trim());
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${said}`));
    });
  });
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A program that does not outlive the test's process. */
function spawnOwned(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.once("close", () => running.delete(child));
  return child;
}

type Watch = (fits: (line: string) => boolean, what: string, from: number) => Promise<void>;

/** Collects a program's lines; gives a function that waits for one. */
function linesOf(
  child: ChildProcess,
  lines: string[],
  stream: "stdout" | "stderr",
  take: (line: string) => void = () => undefined,
): Watch {
  const looks = new Set<() => void>();
  const source = child[stream];
  if (source === null) throw new Error(`no ${stream}`);
  const changed = () => {
    for (const look of [...looks]) look();
  };
  createInterface({ input: source }).on("line", (line) => {
    lines.push(line);
    take(line);
    changed();
  });
  child.once("close", changed);
  return (fits, what, from) =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        looks.delete(look);
        settle();
      };
      const look = () => {
        if (lines.slice(from).some(fits)) end(resolve);
        else if (child.exitCode !== null) end(() => reject(new Error(`${what}: the program ended`)));
      };
      const complain = () =>
        reject(new Error(`waited in vain for ${what}; last: ${lines.slice(-8).join(" | ")}`));
      const timer = setTimeout(() => end(complain), BOUND);
      looks.add(look);
      look();
    });
}
