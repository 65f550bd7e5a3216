import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { type HostileInput, hostileInput } from "./hostile-inputs.ts";
import { chosenSeed, Random } from "./random.ts";
import { identityOf, RawController, strangerIdentity } from "./raw-controller.ts";
import { callText, END, jsonOf, KIND, rawFrame, rawOpen, TYPE } from "./raw-frames.ts";

const INPUTS = 5_000;
/** Of them sent before the memory is first looked at, so that the heap has its size. */
const WARM_UP = 2_000;
/** Connections that send them at once, half of them unpaired. */
const SENDERS = 8;
/** MiB that the agent may have grown by in between: the heap of V8 breathes by 20 to 35, however many come. */
const MARGIN = 48;

test("5,000 malformed inputs neither end nor fatten the agent, and a call in another session goes on", async (t) => {
  const seed = chosenSeed();
  t.diagnostic(`TETHER_SEED=${seed}`);
  const udpPort = await freeUdpPort();
  const agent = await startAgent(t, { configuration: { discovery: { broadcast: true, port: udpPort } } });
  const paired = identityOf(await agent.pair());

  const stop = new AbortController();
  const calling = callUntil(stop.signal, await RawController.connect(agent.port, paired));

  let given = 0;
  let warm = 0;
  const counts = new Map<string, number>();
  const sender = async (index: number) => {
    const random = new Random(seed + index);
    const identity = index % 2 === 0 ? strangerIdentity() : paired;
    let connection: Connection | undefined;
    while (given < INPUTS) {
      if (++given === WARM_UP) warm = residentMiB(agent.pid);
      connection = await provoke(
        connection,
        random,
        () => RawController.connect(agent.port, identity),
        counts,
      );
    }
    connection?.controller.destroy();
  };
  const datagrams = new Random(seed);
  const udp = createSocket("udp4");
  t.after(() => udp.close());
  const shouting = setInterval(() => {
    for (let at = 0; at < 5; at++) udp.send(datagrams.bytes(datagrams.below(1_400)), udpPort, "127.0.0.1");
  }, 10);
  try {
    await Promise.all(Array.from({ length: SENDERS }, (_, index) => sender(index)));
  } finally {
    clearInterval(shouting);
    stop.abort();
  }
  const { calls, slowest } = await calling;
  const grown = residentMiB(agent.pid) - warm;
  t.diagnostic(
    `${calls} calls meanwhile, the slowest ${Math.round(slowest)} ms; RSS ${grown.toFixed(1)} MiB more`,
  );
  t.diagnostic(JSON.stringify(Object.fromEntries([...counts].sort())));
  assert.ok(calls >= 100, `only ${calls} calls were answered meanwhile`);
  assert.ok(slowest < 5_000, `a call took ${slowest} ms`);
  assert.ok(grown < MARGIN, `the agent grew by ${grown} MiB; allowed: ${MARGIN}`);
  assert.equal(agent.log.filter(({ event }) => event === "fault").length, 0, "no input met a fault of ours");
  assert.equal((await agent.tether(["call", "math.multiply", "6", "7"])).stdout, "42\n");
  assert.equal(await agent.stop(), 0);
  assert.equal(agent.stderr, "");
});

interface Connection {
  readonly controller: RawController;
  /** A stream number that was not used yet. */
  stream: number;
  readonly since: number;
}

/** A stranger's time is up after 10 s, which would look like an answer to what it sent. */
function isUsable({ controller, since }: Connection): boolean {
  return !controller.isClosed && performance.now() - since < 7_000;
}

/** Sends one input and checks what becomes of it; gives the connection when it lives on. */
async function provoke(
  present: Connection | undefined,
  random: Random,
  connect: () => Promise<RawController>,
  counts: Map<string, number>,
): Promise<Connection | undefined> {
  const usable = present !== undefined && isUsable(present) ? present : undefined;
  if (usable === undefined) present?.controller.destroy();
  const input = hostileInput(random, usable?.stream ?? 1);
  counts.set(input.name, (counts.get(input.name) ?? 0) + 1);
  let connection = usable;
  if (connection === undefined || !input.greeted) {
    connection?.controller.destroy();
    connection = { controller: await connect(), stream: 1, since: performance.now() };
    if (input.greeted) connection.controller.greet();
  }
  const { controller } = connection;
  connection.stream += 2;
  controller.send(...input.chunks);
  return (await meets(input, controller)) ? connection : undefined;
}

/** Waits for what the agent has to do; true when the connection lives on. */
async function meets(input: HostileInput, controller: RawController): Promise<boolean> {
  switch (input.outcome) {
    case "close": {
      const last = await controller.closed();
      // A stranger may have come to the end of its bytes before.
      if (last !== undefined) assert.match(String(jsonOf(last).code), /^(invalid|limit)$/, input.name);
      return false;
    }
    case "cut":
      controller.socket.end();
      await controller.closed();
      return false;
    case "live": {
      controller.send(rawFrame(TYPE.ping, 0, "alive"));
      const sign = await controller.frame(
        ({ type, payload }) => type === TYPE.close || (type === TYPE.pong && String(payload) === "alive"),
      );
      controller.frames.length = 0;
      if (sign?.type === TYPE.pong) return true;
      await controller.closed();
      return false;
    }
  }
}

/** Calls one after the other; gives how many were answered, and how long the slowest took. */
async function callUntil(
  signal: AbortSignal,
  controller: RawController,
): Promise<{ calls: number; slowest: number }> {
  controller.greet();
  let calls = 0;
  let slowest = 0;
  for (let stream = 1; !signal.aborted; stream += 2) {
    const start = performance.now();
    controller.send(rawOpen(stream, KIND.call, callText("math.multiply", [6, 7]), END));
    assert.deepEqual(jsonOf(await controller.next(TYPE.document, stream)).result, 42);
    slowest = Math.max(slowest, performance.now() - start);
    calls++;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  controller.destroy();
  return { calls, slowest };
}

function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "0.0.0.0");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
