/**
 * `npm run demo`: the main job from end to end, on this machine and with the programs as they are shipped. An
 * agent with a simulated board is found by broadcast, paired, called and commanded. With `--stay` it is left
 * running until Ctrl-C.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = (name: string) => fileURLToPath(new URL(`../dist/${name}.cjs`, import.meta.url));

const CONFIGURATION = `
name: demo
tags: [demo]
listen: { host: 127.0.0.1, port: 0 }
discovery: { port: DISCOVERY_PORT }
devices:
  - name: bench
    serial: { simulate: bench }
    driver: line
    commands:
      led:
        send: "LED {state}"
        expect: "^OK"
        parameters: { state: { type: integer, minimum: 0, maximum: 1 } }
      temperature: { send: "TEMP?", expect: "^TEMP (?<celsius>-?[0-9.]+)$", result: celsius, type: number }
    readings:
      temperature: { command: temperature, every: 1s, unit: "°C", deviceClass: temperature }
`;

/** The agent of the demo, in a folder that is removed with it. */
interface DemoAgent {
  readonly folder: string;
  readonly state: string;
  readonly port: number;
  readonly discoveryPort: number;
  readonly process: ChildProcess;
}

async function main(stay: boolean): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tether-demo-"));
  let agent: DemoAgent | undefined;
  try {
    agent = await step("start an agent with a simulated board", () => startAgent(folder));
    await walk(agent);
    if (stay) await keepUp(agent);
  } finally {
    if (agent !== undefined) await stopAgent(agent);
    await rm(folder, { recursive: true, force: true });
  }
  process.stdout.write("\nAll of it works here. Next: README.md, from a new Pi to a blinking LED.\n");
}

async function walk(agent: DemoAgent): Promise<void> {
  const port = String(agent.discoveryPort);
  const found = await step("find it by broadcast", () => tether(agent, "discover", "--port", port, "--json"));
  const [first] = JSON.parse(found) as { name: string }[];
  expect("the agent found", first?.name, "demo");

  const issued = await step("make a pairing code on the agent's side", () =>
    output("tetherd", agent, ["pair", "--state", agent.state, "--json"]),
  );
  const { code } = JSON.parse(issued) as { code: string };
  await step("pair, from the laptop's side", () =>
    tether(agent, "pair", `127.0.0.1:${agent.port}`, "--code", code),
  );

  const product = await step("call a procedure", () => tether(agent, "call", "math.multiply", "6", "7"));
  expect("6 times 7", product, "42");

  await step("see the board", () => tether(agent, "device", "list"));
  expect(
    "the answer to LED 1",
    await step("switch its LED on", () => tether(agent, "call", "devices.bench.led", "1")),
    "OK",
  );
  const celsius = await step("read its temperature", () =>
    tether(agent, "call", "devices.bench.temperature"),
  );
  expect("a temperature", Number.isFinite(Number(celsius)), true);
}

async function startAgent(folder: string): Promise<DemoAgent> {
  const state = join(folder, "state");
  const configuration = join(folder, "agent.yaml");
  await mkdir(join(folder, "laptop"), { mode: 0o700 });
  const discoveryPort = await freeUdpPort();
  await writeFile(configuration, CONFIGURATION.replace("DISCOVERY_PORT", String(discoveryPort)));
  const args = [program("tetherd"), "run", "--config", configuration, "--state", state];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const { event, port } = JSON.parse(line) as { event: string; port: number };
    if (event !== "ready") continue;
    // The log goes on; nobody here reads it.
    child.stdout.resume();
    return { folder, state, port, discoveryPort, process: child };
  }
  throw new Error("the agent ended before it was ready");
}

async function stopAgent(agent: DemoAgent): Promise<void> {
  if (agent.process.exitCode !== null) return;
  agent.process.kill("SIGTERM");
  await once(agent.process, "exit");
}

async function keepUp(agent: DemoAgent): Promise<void> {
  process.stdout.write(
    `\nThe agent stays up. In another terminal:\n` +
      `  export TETHER_HOME=${join(agent.folder, "laptop")}\n` +
      `  node dist/tether.cjs call math.multiply 6 7\nCtrl-C ends it.\n`,
  );
  await Promise.race([once(process, "SIGINT"), once(agent.process, "exit")]);
}

/** Runs `tether` as a laptop would, shows the line typed and what it printed, and gives that. */
async function tether(agent: DemoAgent, ...args: string[]): Promise<string> {
  return output("tether", agent, args);
}

async function output(name: string, agent: DemoAgent, args: string[]): Promise<string> {
  const shown = args.map((arg) => (arg.startsWith(agent.folder) ? "DIR" : arg)).join(" ");
  process.stdout.write(`  $ ${name} ${shown}\n`);
  const env = { ...process.env, TETHER_HOME: join(agent.folder, "laptop") };
  const { stdout } = await run(process.execPath, [program(name), ...args], { env });
  process.stdout.write(stdout.replace(/^(?=.)/gm, "    "));
  return stdout.trimEnd();
}

let steps = 0;

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  process.stdout.write(`\n${++steps}. ${what}\n`);
  return work();
}

function expect(what: string, got: unknown, wanted: unknown): void {
  if (got !== wanted) throw new Error(`${what}: got ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

async function freeUdpPort(): Promise<number> {
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

await main(process.argv.includes("--stay"));
