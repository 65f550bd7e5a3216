import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Device } from "../../firmware-bridge/index.ts";
import { RecordedBoard } from "../../firmware-bridge/simulate/recorded-board.ts";
import { readRecording } from "../../firmware-bridge/simulate/recording.ts";
import { benchProfile } from "./bench-profile.ts";
import { call } from "./open-device.ts";
import { until } from "./until.ts";

/** A line of a recording: seconds after its beginning, `<` what the device said, `>` what it was told. */
function line(seconds: number, mark: "<" | ">", text: string): string {
  const time = new Date(Date.UTC(2026, 2, 1) + seconds * 1_000).toISOString();
  return JSON.stringify({ time, from: mark === "<" ? "device" : "host", text });
}

function recordingOf(...lines: readonly string[]): string {
  return `${['{"time":"2026-03-01T00:00:00.000Z","recording":1}', ...lines].join("\n")}\n`;
}

function play(t: TestContext, text: string) {
  const notes: string[] = [];
  const board = new RecordedBoard(readRecording(text), (message) => notes.push(message));
  let heard = "";
  const link = board.open({
    received: (bytes) => {
      heard += Buffer.from(bytes).toString();
    },
    ended() {},
  });
  t.after(() => link.close());
  return { notes, link, board, heard: () => heard, tell: (words: string) => link.write(Buffer.from(words)) };
}

test("recording: what is told is answered, byte for byte, in whatever pieces it comes", async (t) => {
  const played = play(
    t,
    recordingOf(
      line(1, ">", "PI"),
      line(1.1, ">", "NG\n"),
      line(1.101, "<", "PO"),
      line(1.102, "<", "NG\n"),
      line(2, ">", "ID?\n"),
      line(2.001, "<", "ID bench 1\n"),
    ),
  );
  await played.tell("PING");
  assert.equal(played.heard(), "");
  await played.tell("\nID?\n");
  await until(() => played.heard() === "PONG\nID bench 1\n", "both answers");
  assert.deepEqual(played.notes, []);
  await played.tell("ID?\nPING\n");
  await until(
    () => played.heard() === "PONG\nID bench 1\nID bench 1\nPONG\n",
    "them again, in another order",
  );
  await played.tell("PANG\n");
  await played.tell("PANG\n");
  await played.tell("PING\n");
  await until(() => played.heard().endsWith("PONG\nPONG\n"), "an answer after what is unknown");
  assert.deepEqual(played.notes, [
    'was told "ID?\\n" out of turn',
    'was told "PANG\\n", which is not in the recording',
    'was told "PING\\n" out of turn',
  ]);
});

test("recording: what the device said by itself comes by itself, after as long", async (t) => {
  const played = play(
    t,
    recordingOf(line(0, "<", "boot\n"), line(0.15, "<", "ready\n"), line(9, "<", "late\n")),
  );
  const since = performance.now();
  await until(() => played.heard() === "boot\nready\n", "both lines");
  assert.ok(performance.now() - since >= 140);
  await played.tell("?");
  assert.deepEqual(played.notes, ['was told "?", which is not in the recording']);
});

test("recording: a line that is none is named, those that are of something else are passed over", () => {
  assert.throws(() => readRecording(recordingOf(line(0, "<", "x"), "no JSON")), {
    message: "line 3 is no JSON",
  });
  assert.throws(() => readRecording('{"from":"device","text":"x"}'), { message: "line 1 has no time" });
  assert.throws(() => readRecording("[]\n7\n"), { message: "line 2 is no object" });
  const scenes = readRecording('{"time":"2026-03-01T00:00:00Z","from":"device","lost":5}\n{"new":true}\n\n');
  assert.deepEqual(scenes, [{ told: Buffer.alloc(0), said: [], line: 1 }]);
});

test("recording: a device on one works as on the board, and says what is not there", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tether-recording-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "bench.jsonl");
  const warnings: string[] = [];
  const log = { info() {}, warn: (_event: string, message: string) => warnings.push(message) };
  const make = (what: string) => {
    const device = new Device(benchProfile({ kind: "simulate", what }), { log, now: Date.now });
    t.after(() => device.stop());
    return device;
  };
  const absent = make(path);
  await absent.start();
  assert.match(absent.condition.reason ?? "", /the recording .* cannot be read/);
  assert.equal(absent.state, "missing");

  await writeFile(
    path,
    recordingOf(line(1, ">", "PING\n"), line(1.01, "<", "PONG\n"), line(1.02, "<", "BTN 7\n")),
  );
  const device = make(path);
  await device.start();
  assert.equal(device.path, `simulate:${path}`);
  for (let round = 0; round < 3; round += 1) assert.equal(await call(device, "ping"), "PONG");
  await until(() => device.readings[0]?.value === 7, "the reading");
  const impatient = AbortSignal.timeout(50);
  await assert.rejects(call(device, "press", {}, impatient));
  assert.ok(
    warnings.some((message) => /the simulated bench was told "PRESS\\n", which is not in/.test(message)),
  );

  await writeFile(path, "nonsense");
  const broken = make(path);
  await broken.start();
  assert.equal(broken.state, "failed");
  assert.match(broken.condition.reason ?? "", /is no recording: line 1 is no JSON/);
});
