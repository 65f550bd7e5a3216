import assert from "node:assert/strict";
import { test } from "node:test";
import { type Direction, Traffic } from "../../firmware-bridge/traffic.ts";
import { SERIAL } from "../../protocol/limits.ts";

/** Bytes that tell their offset. */
function bytesAt(offset: number, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => ((offset + index) * 2_654_435_761) >>> 24));
}

function hear(traffic: Traffic, length: number): void {
  const scratch = bytesAt(traffic.end, length);
  traffic.heard(scratch);
  scratch.fill(0); // the port uses its buffer again
}

test("traffic: pieces of every size come to every follower as they were, wherever he is", () => {
  const traffic = new Traffic();
  const followers = [1, 7, 4_096, 1 << 20].map((most) => ({
    most,
    offset: 0,
    follower: traffic.follow(() => {}),
  }));
  let random = 1;
  for (let round = 0; round < 3_000; round += 1) {
    random = (random * 48_271) % 0x7fff_ffff;
    hear(traffic, 1 + (random % 900));
    const { most, follower } = followers[random % followers.length] ?? assert.fail();
    for (let piece = follower.take(most); piece !== undefined; piece = follower.take(most)) {
      assert.ok(piece.bytes.length <= most);
      assert.ok(piece.bytes.equals(bytesAt(piece.offset, piece.bytes.length)));
      assert.equal(piece.lost, 0);
    }
    assert.equal(follower.offset, traffic.end);
  }
});

test("traffic: one who stands still loses the oldest and is told exactly, the others nothing", () => {
  const traffic = new Traffic();
  const still = traffic.follow(() => {});
  const going = traffic.follow(() => {});
  const length = 10_000;
  for (let round = 0; round < 300; round += 1) {
    hear(traffic, length);
    assert.equal(going.take(length)?.lost, 0);
  }
  const piece = still.take(100);
  assert.equal(piece?.lost, 300 * length - SERIAL.keptBehind);
  assert.equal(piece?.offset, piece?.lost);
  assert.ok(piece?.bytes.equals(bytesAt(piece.offset, 100)));
  still.skip();
  assert.equal(still.take(100), undefined);
  hear(traffic, 5);
  assert.deepEqual([still.take(100)?.bytes.length, still.offset], [5, traffic.end]);
});

test("traffic: what came last is kept for one who comes back, without anybody who follows", () => {
  const traffic = new Traffic();
  assert.equal(traffic.follow(() => {}, 99).offset, 0, "what has not come cannot be followed yet");
  const before = traffic.follow(() => {});
  hear(traffic, 1_000_000);
  assert.equal(traffic.start, 0, "all is kept while somebody is behind");
  before.stop();
  for (const { follower } of [{ follower: traffic.follow(() => {}, 0) }]) follower.stop();
  assert.equal(traffic.followers, 1);
  const back = new Traffic();
  hear(back, 1_000_000);
  assert.equal(back.start, 1_000_000 - SERIAL.kept);
  const piece = back.follow(() => {}, 1_000_000 - 10).take(100);
  assert.ok(piece?.bytes.equals(bytesAt(1_000_000 - 10, 10)));
});

test("traffic: those at the same place share one copy, which nobody writes into again", () => {
  const traffic = new Traffic();
  const [one, two] = [traffic.follow(() => {}), traffic.follow(() => {})];
  hear(traffic, 10);
  const [first, second] = [one.take(100), two.take(100)];
  assert.equal(first?.bytes, second?.bytes);
  for (let round = 0; round < 100; round += 1) hear(traffic, 50_000);
  assert.ok(first?.bytes.equals(bytesAt(0, 10)));
});

test("traffic: a tap sees both directions in order, until it is taken away", () => {
  const traffic = new Traffic();
  const seen: [Direction, string][] = [];
  const untap = traffic.tap((direction, bytes) => seen.push([direction, Buffer.from(bytes).toString()]));
  traffic.said(Buffer.from("PING"));
  traffic.heard(Buffer.from("PONG"));
  untap();
  traffic.said(Buffer.from("x"));
  assert.deepEqual(seen, [
    ["host", "PING"],
    ["device", "PONG"],
  ]);
  assert.equal(traffic.end, 4, "only what the device says is counted");
});
