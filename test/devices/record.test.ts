import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { agentAt, benchAt, passed, pong } from "./bench-agent.ts";
import { ControllerProcess } from "./controller-process.ts";
import { HandBoard } from "./hand-board.ts";

const skip = missing("socat");

test("record: both directions with times, whoever writes, and what is missing is said", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t, pong);
  const { agent, home } = await agentAt(t, board.path);
  const file = join(agent.folder, "recording.jsonl");
  const recorder = new ControllerProcess(t, home, ["serial", "record", "bench", file]);
  await until(
    () => existsSync(file) && readFileSync(file, "utf8").includes('"recording":1'),
    "the recording",
  );
  assert.equal((await agent.tether(["call", "devices.bench.ping"])).code, 0);
  assert.equal((await agent.tether(["serial", "monitor", "bench"], { input: "by hand\n" })).code, 0);
  await board.sayBytes(Buffer.of(0xff, 0x00));
  await until(() => passed(file).length >= 4, "what passed");
  assert.deepEqual(passed(file), ["host: PING\n", "device: PONG\n", "host: by hand\n", "device: /wA="]);
  recorder.signal("SIGINT");
  assert.equal(await recorder.exited, 0);
  const again = await agent.tether(["serial", "record", "bench", file]);
  assert.equal(again.code, 1, "an old recording is not written over");
  assert.match(again.stderr, /cannot write .*recording\.jsonl/);

  // The recording stands in for the board.
  const played = { ...benchAt(""), serial: { simulate: file } };
  const configuration = { listen: { host: "127.0.0.1", port: 0 }, devices: [played] };
  writeFileSync(agent.configurationFile, JSON.stringify(configuration));
  const from = agent.log.length;
  agent.signal("SIGHUP");
  await agent.line(
    "device-state",
    ({ state, path }) => state === "ready" && path === `simulate:${file}`,
    from,
  );
  await board.say("nobody hears this");
  const heard = board.heard;
  for (let round = 0; round < 2; round += 1) {
    assert.equal((await agent.tether(["call", "devices.bench.ping"])).stdout, "PONG\n");
  }
  assert.equal(board.heard, heard, "nothing went to the board");
});
