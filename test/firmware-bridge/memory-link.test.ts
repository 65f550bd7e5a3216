import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkReceiver } from "../../firmware-bridge/link/link.ts";
import { MemoryCable, type MemoryState } from "../../firmware-bridge/link/memory.ts";
import type { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";

function createReceiver() {
  const heard: string[] = [];
  const ends: TetherError[] = [];
  const receiver: LinkReceiver = {
    received: (bytes) => heard.push(Buffer.from(bytes).toString()),
    ended: (reason) => ends.push(reason),
  };
  return { heard, ends, receiver };
}

function openBoth() {
  const cable = new MemoryCable();
  const [a, b] = [createReceiver(), createReceiver()];
  const [first, second] = cable.ends;
  return { cable, a, b, linkA: first.open(a.receiver), linkB: second.open(b.receiver) };
}

test("memory link: bytes go both ways in order, and a writer may use its buffer again", async () => {
  const { a, b, linkA, linkB } = openBoth();
  const bytes = Buffer.from("one");
  const written = linkA.write(bytes);
  bytes.fill(0);
  await Promise.all([written, linkA.write(Buffer.from("two")), linkB.write(Buffer.from("back"))]);
  assert.deepEqual(b.heard, ["one", "two"]);
  assert.deepEqual(a.heard, ["back"]);
});

test("memory link: modem lines are crossed as in a null-modem cable", async () => {
  const { linkA, linkB } = openBoth();
  await linkA.setLines({ dtr: false });
  assert.deepEqual(await linkB.inputLines(), { cts: true, dsr: false, dcd: false });
  await linkA.setLines({ dtr: true, rts: false });
  assert.deepEqual(await linkB.inputLines(), { cts: false, dsr: true, dcd: true });
  await linkA.close();
  assert.deepEqual(await linkB.inputLines(), { cts: false, dsr: false, dcd: false });
});

test("memory link: a pulled cable ends both ends once, and both can be opened again", async () => {
  const { cable, a, b, linkA } = openBoth();
  cable.pull();
  cable.pull();
  assert.deepEqual(
    [...a.ends, ...b.ends].map(({ code }) => code),
    ["device-missing", "device-missing"],
  );
  await assert.rejects(linkA.write(Buffer.from("x")), { code: "device-missing" });
  assert.equal(await linkA.setLines({ dtr: true }), false);
  const again = createReceiver();
  const [first] = cable.ends;
  const link = first.open(again.receiver);
  assert.throws(() => first.open(again.receiver), { code: "busy" });
  await linkA.close();
  await link.write(Buffer.from("x"));
});

test("memory link: closing tells nobody, and bytes to a closed end are lost", async () => {
  const { a, b, linkA, linkB } = openBoth();
  await linkB.close();
  await linkB.close();
  await linkA.write(Buffer.from("lost"));
  assert.deepEqual([b.heard, a.ends, b.ends], [[], [], []]);
});

test("memory link: what waits to be written has a bound", async () => {
  const { linkA } = openBoth();
  const first = linkA.write(Buffer.alloc(SERIAL.queuedOutput));
  await assert.rejects(linkA.write(Buffer.alloc(1)), { code: "limit" });
  await first;
  await linkA.write(Buffer.alloc(1));
});

test("memory link: the other end sees settings and lines, and a purge drops what waits", async () => {
  const cable = new MemoryCable();
  const states: MemoryState[] = [];
  const heard: string[] = [];
  cable.ends[1].open({
    received: (bytes) => heard.push(Buffer.from(bytes).toString()),
    ended() {},
    changed: (state) => states.push(state),
  });
  const link = cable.ends[0].open({ received() {}, ended() {} });
  const writes = [link.write(Buffer.from("a")), link.write(Buffer.from("b"))];
  await link.configure({ baudRate: 300, parity: "odd" });
  await Promise.all(writes);
  assert.deepEqual(heard, ["a", "b"], "what was written before has left");
  await link.setLines({ dtr: false, break: true });
  assert.deepEqual(
    states.map(({ settings, dtr, break: brk }) => [settings.baudRate, settings.parity, dtr, brk]),
    [
      [115_200, "none", true, false],
      [300, "odd", true, false],
      [300, "odd", false, true],
    ],
  );
  const dropped = link.write(Buffer.from("c"));
  await link.purge("output");
  await dropped;
  await link.write(Buffer.from("d"));
  await link.drain();
  assert.deepEqual(heard, ["a", "b", "d"]);
});
