import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { getFiles, putFiles } from "../../controller/files/index.ts";
import { syncFromAgent, syncToAgent } from "../../controller/syncing/index.ts";
import { type TetherError, TRANSFER } from "../../protocol/index.ts";
import { ownPackings, type Packing, type PackingMode, Progress } from "../../transfer/index.ts";
import { CHUNK } from "../../transfer/packing.ts";
import { PackingChoice } from "../../transfer/packing-choice.ts";
import { PackingOutput } from "../../transfer/packing-output.ts";
import { Unpacker } from "../../transfer/unpacker.ts";
import { type FilingAgent, SuiteOwner, startFilingAgent } from "./filing-agent.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** Text that becomes small, other in every line. */
function text(bytes: number): Buffer {
  let line = 0;
  let all = "";
  while (all.length < bytes) all += `${line++} the quick brown fox jumps over the lazy dog\n`;
  return Buffer.from(all).subarray(0, bytes);
}

/** What goes over the wire for these pieces. */
async function packed(pieces: readonly Buffer[], packing: Packing): Promise<Buffer> {
  const wire: Buffer[] = [];
  const output = new PackingOutput({
    packing,
    mode: "on",
    output: {
      sendBulk(buffer, start, end, written) {
        wire.push(Buffer.from(buffer.subarray(start, end)));
        setImmediate(written);
      },
    },
  });
  let written = 0;
  for (const piece of pieces) {
    const buffer = Buffer.alloc(64 + piece.length);
    piece.copy(buffer, 64);
    output.sendBulk(buffer, 64, buffer.length, () => {
      written++;
    });
  }
  await output.finish();
  assert.equal(output.sent, Buffer.concat(wire).length);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(written, pieces.length, "every buffer is given back");
  return Buffer.concat(wire);
}

/** Unpacks, cutting the wire where `cut` says; `dealt` is told of what comes and says how much was dealt with. */
function unpack(wire: Buffer, packing: Packing, cut: () => number) {
  const out: Buffer[] = [];
  let credit = 0;
  return new Promise<{ bytes: Buffer; credit: number }>((resolve, reject) => {
    const unpacker = new Unpacker({
      packing,
      push(bytes) {
        out.push(Buffer.from(bytes));
        setImmediate(() => unpacker.consumed(bytes.length));
      },
      end: () => setImmediate(() => setImmediate(() => resolve({ bytes: Buffer.concat(out), credit }))),
      broken: reject,
      consumed: (bytes) => {
        credit += bytes;
      },
    });
    for (let at = 0; at < wire.length; ) {
      const next = at + Math.max(1, cut());
      unpacker.push(wire.subarray(at, next));
      at = next;
    }
    unpacker.end();
  });
}

for (const packing of ownPackings()) {
  test(`${packing}: what is packed comes out as it was, however the wire is cut, and all of it is credited`, async () => {
    const pieces = [text(200 * KiB), randomBytes(100 * KiB), Buffer.from("x"), text(250 * KiB), text(3)];
    const wire = await packed(pieces, packing);
    assert.ok(wire.length < 300 * KiB, `${wire.length} bytes`);
    for (const cut of [() => wire.length, () => 1 + Math.floor(Math.random() * 5_000), () => 7]) {
      const { bytes, credit } = await unpack(wire, packing, cut);
      assert.ok(bytes.equals(Buffer.concat(pieces)));
      assert.equal(credit, wire.length);
    }
  });
}

test("what no sender packs is refused, and never becomes much in memory", async () => {
  const chunk = (kind: number, body: Buffer, length = body.length) => {
    const header = Buffer.alloc(5);
    header[0] = kind;
    header.writeUInt32BE(length, 1);
    return Buffer.concat([header, body]);
  };
  const body = (bytes: number, content: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes);
    return Buffer.concat([size, content]);
  };
  const bomb = deflateRawSync(Buffer.alloc(64 * MiB));
  for (const [what, wire] of [
    ["an unknown kind", chunk(9, Buffer.from("abc"))],
    ["a bomb", chunk(CHUNK.PACKED, body(64 * MiB, bomb))],
    ["another length than it says", chunk(CHUNK.PACKED, body(5, deflateRawSync(Buffer.from("abc"))))],
    ["nothing that was packed", chunk(CHUNK.PACKED, body(5, Buffer.from("garbage")))],
    ["nothing at all", chunk(CHUNK.PACKED, body(0, deflateRawSync(Buffer.alloc(0))))],
    ["a chunk that is too long", chunk(CHUNK.PACKED, Buffer.alloc(8), 2 ** 31)],
    ["an end within a chunk", chunk(CHUNK.PLAIN, Buffer.from("abc"), 4)],
    ["an end within a header", chunk(CHUNK.PLAIN, Buffer.from("abc")).subarray(0, 3)],
  ] as const) {
    await assert.rejects(
      unpack(wire, "deflate", () => 1_000),
      (error: TetherError) => ["invalid", "limit"].includes(error.code),
      what,
    );
  }
});

test("no more is unpacked while much of what was unpacked waits to be dealt with", async () => {
  const wire = await packed(
    Array.from({ length: 100 }, () => Buffer.alloc(256 * KiB)),
    "deflate",
  );
  let outstanding = 0;
  let most = 0;
  let total = 0;
  await new Promise<void>((resolve, reject) => {
    const unpacker = new Unpacker({
      packing: "deflate",
      push(bytes) {
        outstanding += bytes.length;
        most = Math.max(most, outstanding);
        total += bytes.length;
        // Slower than unpacking is: what has gathered is dealt with at once.
        if (outstanding < TRANSFER.unpacked && total < 100 * 256 * KiB) return;
        const dealt = outstanding;
        setTimeout(() => {
          outstanding -= dealt;
          unpacker.consumed(dealt);
        }, 1);
      },
      end: resolve,
      broken: reject,
      consumed() {},
    });
    unpacker.push(wire);
    unpacker.end();
  });
  assert.equal(total, 100 * 256 * KiB);
  assert.ok(most <= TRANSFER.unpacked + 2 * 256 * KiB, `${most} bytes were in memory`);
});

/** A link of `rate` bytes a second over which pieces of 250 KB go, packed or not, until `seconds` have passed. */
function drive(
  choice: PackingChoice,
  link: { rate: number; ratio: number; packRate: number },
  seconds: number,
) {
  let now = 0;
  const piece = 250_000;
  const states: boolean[] = [];
  while (now < seconds * 1_000) {
    if (choice.takesSample()) choice.sampled(piece, piece * link.ratio, (piece * 1_000) / link.packRate);
    const wire = choice.packs ? piece * link.ratio : piece;
    const rate = choice.packs ? Math.min(link.packRate, link.rate / link.ratio) : link.rate;
    now += (piece * 1_000) / rate;
    choice.written(piece, wire, now);
    states.push(choice.packs);
  }
  return states;
}

test("bytes are packed where the link is slow and they become small, and only there", () => {
  const slow = drive(new PackingChoice(1), { rate: 10e6, ratio: 0.3, packRate: 100e6 }, 3);
  assert.equal(slow.at(-1), true);
  const fast = drive(new PackingChoice(1), { rate: 800e6, ratio: 0.3, packRate: 100e6 }, 3);
  assert.ok(!fast.includes(true), "packing is slower than the link");
  const random = drive(new PackingChoice(1), { rate: 10e6, ratio: 1, packRate: 100e6 }, 3);
  assert.ok(!random.includes(true), "there is nothing to be won");
});

test("packing that turns out slower ends, and is tried less and less often", () => {
  const choice = new PackingChoice(1);
  assert.equal(drive(choice, { rate: 10e6, ratio: 0.3, packRate: 100e6 }, 2).at(-1), true);
  // The receiver turns out to unpack at 5 MB a second.
  const states: boolean[] = [];
  let now = 10_000;
  for (let turn = 0; turn < 4_000; turn++) {
    if (choice.takesSample()) choice.sampled(250_000, 75_000, 2.5);
    now += choice.packs ? 50 : 25;
    choice.written(250_000, choice.packs ? 75_000 : 250_000, now);
    states.push(choice.packs);
  }
  const packedShare = states.filter(Boolean).length / states.length;
  assert.ok(packedShare < 0.1, `${packedShare} of it was packed`);
});

test("where the link is not the limit nothing is packed", () => {
  const choice = new PackingChoice(1);
  for (let now = 0; now < 5_000; now += 25) {
    if (choice.takesSample()) choice.sampled(250_000, 1_000, 1);
    choice.idled(15);
    choice.written(250_000, 250_000, now);
    assert.equal(choice.packs, false);
  }
});

describe("a packed transfer", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let place: FilingAgent;

  before(async () => {
    place = await startFilingAgent(owner, { quota: "400MiB" });
  });
  after(() => owner.undo());

  const options = (compress: PackingMode) => ({
    recursive: true,
    totals: false,
    compress,
    progress: new Progress(),
    signal: new AbortController().signal,
  });

  test("there, back and by sync: whole, and `sent` is what went over the wire", async () => {
    const { here, client, root } = place;
    const tree = join(here, "tree");
    mkdirSync(join(tree, "sub"), { recursive: true });
    const content = {
      large: text(9 * MiB),
      small: text(2_000),
      random: randomBytes(5 * MiB),
      empty: Buffer.alloc(0),
    };
    for (const [name, bytes] of Object.entries(content)) writeFileSync(join(tree, "sub", name), bytes);
    const bytes = Object.values(content).reduce((sum, each) => sum + each.length, 0);
    const most = bytes - content.large.length / 2;
    const choices = { delete: false, dryRun: false, checksum: false, exclude: [], onPlan() {} };
    const same = (folder: string) => {
      for (const [name, expected] of Object.entries(content)) {
        assert.ok(readFileSync(join(folder, "sub", name)).equals(expected), `${folder}/sub/${name}`);
      }
    };

    const put = await putFiles(client, { ...options("on"), sources: [tree], target: "packed" });
    assert.deepEqual([put.files, put.bytes, put.failures], [4, bytes, []]);
    assert.ok(put.sent < most, `${put.sent} of ${bytes} bytes`);
    same(join(root, "packed"));
    const get = await getFiles(client, { ...options("on"), sources: ["packed"], target: join(here, "back") });
    assert.ok(get.sent < most, `${get.sent} of ${bytes} bytes`);
    same(join(here, "back"));
    const there = await syncToAgent(client, { ...options("on"), ...choices, source: tree, target: "synced" });
    assert.ok(there.sent < most, `${there.sent} of ${bytes} bytes`);
    same(join(root, "synced"));
    const from = await syncFromAgent(client, {
      ...options("on"),
      ...choices,
      source: "synced",
      target: join(here, "from"),
    });
    assert.ok(from.sent < most, `${from.sent} of ${bytes} bytes`);
    same(join(here, "from"));

    const off = await putFiles(client, { ...options("off"), sources: [tree], target: "plain" });
    assert.ok(off.sent >= bytes, `${off.sent} of ${bytes} bytes`);
    same(join(root, "plain"));
  });
});
