/**
 * `npm run demo`: the main job from end to end, on this machine and with the programs as they are shipped. An
 * agent with a simulated board and the embedded broker is found by broadcast, paired, called and commanded, a file
 * moved there and back, and a reading heard over MQTT. With `--stay` it is left running with a shell on it.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
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
mqtt:
  broker: { host: 127.0.0.1, port: BROKER_PORT }
`;

/** The agent of the demo, in a folder that is removed with it. */
interface DemoAgent {
  readonly folder: string;
  readonly state: string;
  readonly port: number;
  readonly discoveryPort: number;
  readonly brokerPort: number;
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

  await step("move a file there and back, and compare", () => moveFile(agent));

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

  await step("see a reading arrive over MQTT, at a subscriber of the embedded broker", () =>
    hearReading(agent),
  );
}

async function moveFile(agent: DemoAgent): Promise<void> {
  const sent = join(agent.folder, "photo.bin");
  const back = join(agent.folder, "back.bin");
  const content = randomBytes(8 * 1024 * 1024);
  await writeFile(sent, content);
  await tether(agent, "put", sent, ":photo.bin");
  await tether(agent, "ls");
  await tether(agent, "get", ":photo.bin", back);
  expect("the file that came back", (await readFile(back)).equals(content), true);
  process.stdout.write("    8 MiB there and back, equal to the last byte\n");
}

async function hearReading(agent: DemoAgent): Promise<void> {
  const { connectAsync } = await import("mqtt");
  const client = await connectAsync(`mqtt://127.0.0.1:${agent.brokerPort}`);
  try {
    const heard = new Promise<[topic: string, payload: Buffer]>((resolve, reject) => {
      AbortSignal.timeout(15_000).addEventListener("abort", () => reject(new Error("no reading came")));
      client.on("message", (topic, payload) => resolve([topic, payload]));
    });
    await client.subscribeAsync("tether/demo/devices/bench/temperature");
    const [topic, payload] = await heard;
    process.stdout.write(`    ${topic} ${payload.toString("utf8")}\n`);
    expect("its unit", (JSON.parse(payload.toString("utf8")) as { unit: string }).unit, "°C");
  } finally {
    await client.endAsync();
  }
}

async function startAgent(folder: string): Promise<DemoAgent> {
  const state = join(folder, "state");
  const configuration = join(folder, "agent.yaml");
  await mkdir(join(folder, "laptop"), { mode: 0o700 });
  const discoveryPort = await freeUdpPort();
  const brokerPort = await freeTcpPort();
  await writeFile(
    configuration,
    CONFIGURATION.replace("DISCOVERY_PORT", String(discoveryPort)).replace("BROKER_PORT", String(brokerPort)),
  );
  const args = [program("tetherd"), "run", "--config", configuration, "--state", state];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const { event, port } = JSON.parse(line) as { event: string; port: number };
    if (event !== "ready") continue;
    // The log goes on; nobody here reads it.
    child.stdout.resume();
    return { folder, state, port, discoveryPort, brokerPort, process: child };
  }
  throw new Error("the agent ended before it was ready");
}

async function stopAgent(agent: DemoAgent): Promise<void> {
  if (agent.process.exitCode !== null) return;
  agent.process.kill("SIGTERM");
  await once(agent.process, "exit");
}

/** Leaves the person in a shell on the agent, until they leave it. */
async function keepUp(agent: DemoAgent): Promise<void> {
  const home = join(agent.folder, "laptop");
  process.stdout.write(
    `\nThe agent stays up while this shell is open; \`help\` lists its verbs. In another terminal:\n` +
      `  export TETHER_HOME=${home}\n  node dist/tether.cjs call math.multiply 6 7\n\n`,
  );
  const env = { ...process.env, TETHER_HOME: home };
  const shell = spawn(process.execPath, [program("tether"), "shell"], { stdio: "inherit", env });
  // Ctrl-C is the shell's: it ends what runs there, not the demo.
  process.on("SIGINT", () => undefined);
  await once(shell, "exit");
}

/** Runs `tether` as a laptop would, shows the line typed and what it printed, and gives that. */
async function tether(agent: DemoAgent, ...args: string[]): Promise<string> {
  return output("tether", agent, args);
}

async function output(name: string, agent: DemoAgent, args: string[]): Promise<string> {
  const shown = args.map((arg) => arg.replace(agent.folder, "DIR")).join(" ");
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
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

await main(process.argv.includes("--stay"));
