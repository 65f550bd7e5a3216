import assert from "node:assert/strict";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent, succeeded } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { HandBoard } from "./hand-board.ts";

const BUTTON = { match: "^BTN (?<n>[0-9]+)$", result: "n", type: "integer" };

test("serial: a line to a device, to a port that no device has, and what is refused", {
  skip: missing("socat"),
}, async (t) => {
  const echo = (line: string) => (line === "SILENCE" ? "" : `BTN 1\n<${line}>\n`);
  const [held, free] = [await HandBoard.create(t, echo), await HandBoard.create(t, echo)];
  const folder = await mkdtemp(join(tmpdir(), "tether-serial-"));
  t.after(() => rm(folder, { recursive: true }));
  const otherName = join(folder, "another-name");
  await symlink(held.path, otherName);
  const agent = await startAgent(t, {
    configuration: {
      devices: [
        {
          name: "bench",
          serial: { path: held.path },
          line: { timeout: "500ms" },
          commands: { say: { send: "SAY {text}", expect: "^<", parameters: { text: {} } } },
          readings: { button: BUTTON },
        },
      ],
    },
  });
  const viewer = await agent.pair(undefined, { role: "viewer" });
  await agent.pair(undefined, { role: "operator" });
  const send = async (...args: string[]) => await agent.tether(["serial", "send", ...args]);

  assert.equal(succeeded(await send("bench", "ID?")).stdout, "<ID?>\n");
  // No device has this one: its readings are nobody's, and the first line is the answer.
  assert.equal(succeeded(await send(free.path, "ID?", "--baud", "9600")).stdout, "BTN 1\n");
  assert.match(
    (await agent.line("serial-opened")).message,
    /sends a line to \/dev\/pts\//,
    "opening a port is told",
  );

  const refusals: readonly [args: string[], code: number, message: RegExp][] = [
    [[held.path, "x"], 1, /is held by the device bench/],
    [[otherName, "x"], 1, /is held by the device bench/],
    [["/etc/passwd", "x"], 1, /no serial port at \/etc\/passwd/],
    [["/dev/null", "x"], 1, /no serial port at \/dev\/null/],
    [[join(folder, "absent"), "x"], 1, /no serial port at/],
    [["moon", "x"], 1, /no device "moon" \(there are: bench\)/],
    [["bench", "a\nLED 1"], 1, /several lines/],
    [["bench", "SILENCE"], 3, /no answer within 500 ms/],
    [["bench", "SILENCE", "--timeout", "100ms"], 3, /longer than 100 ms/],
    [["bench"], 2, /an argument is missing/],
    [[free.path, "x", "--baud", "fast"], 2, /--baud fast/],
  ];
  for (const [args, code, message] of refusals) {
    const ended = await send(...args);
    assert.equal(ended.code, code, `${args}: ${ended.stderr}`);
    assert.match(ended.stderr, message);
  }
  const forbidden = await agent.tether(["serial", "send", "bench", "x"], { home: viewer });
  assert.equal(forbidden.code, 4);

  const heard = held.heard;
  for (const text of ["a\nLED 1", "a\rLED 1", "a\u2028b"]) {
    const smuggled = await agent.tether(["call", "devices.bench.say", text]);
    assert.equal(smuggled.code, 1);
    assert.match(smuggled.stderr, /parameter text holds a control character/);
  }
  assert.equal(held.heard, heard, "nothing of it reached the board");
});

test("serial: the list has declared ports though the system lists none", {
  skip: missing("socat"),
}, async (t) => {
  const board = await HandBoard.create(t);
  const agent = await startAgent(t, {
    // No udevadm on the path.
    env: { PATH: "" },
    configuration: {
      devices: [
        { name: "bench", serial: { path: board.path } },
        { name: "memory", serial: { simulate: "bench" } },
        { name: "away", serial: { path: join(board.path, "away") } },
      ],
    },
  });
  await agent.pair();
  const list = JSON.parse(succeeded(await agent.tether(["serial", "list", "--json"])).stdout);
  const none = { manufacturer: null, serialNumber: null, vendorId: null, productId: null };
  assert.deepEqual(
    list.filter((port: { device: string | null }) => port.device !== null),
    [{ path: board.path, ...none, device: "bench" }],
  );
  const table = succeeded(await agent.tether(["serial", "list"])).stdout;
  assert.match(table, /^PATH +VENDOR/);
  assert.ok(table.includes(board.path));
});

test("serial: commands, polls and lines by hand take turns, and each gets its own answer", {
  skip: missing("socat"),
}, async (t) => {
  let out = 0;
  const board = await HandBoard.create(t, (line) => {
    out += 1;
    return `${line} ${out}\n`;
  });
  const agent = await startAgent(t, {
    configuration: {
      devices: [
        {
          name: "bench",
          serial: { path: board.path },
          commands: {
            one: {
              send: "ONE {n}",
              expect: "^ONE (?<n>[0-9]+) ",
              result: "n",
              parameters: { n: { type: "integer" } },
            },
            two: { send: "TWO", expect: "^TWO (?<n>[0-9]+)$", result: "n", type: "integer" },
          },
          readings: { two: { command: "two", every: "100ms" } },
        },
      ],
    },
  });
  await agent.pair();
  const calls = Array.from({ length: 100 }, (_, n) =>
    n % 2 === 0
      ? { method: "devices.bench.one", params: [n] }
      : { method: "serial.send", params: ["bench", `HAND ${n}`] },
  );
  const input = calls.map((call) => JSON.stringify(call)).join("\n");
  const polls = () => board.heard.split("TWO\n").length - 1;
  const before = polls();
  for (let round = 0; round < 3; round += 1) {
    const { stdout } = succeeded(await agent.tether(["call", "--batch", "-", "--json"], { input }));
    const results = (JSON.parse(stdout) as { result: string }[]).map(({ result }) => result);
    for (const [n, result] of results.entries()) {
      if (n % 2 === 0) assert.equal(result, String(n));
      else assert.match(result, new RegExp(`^HAND ${n} [0-9]+$`));
    }
    const seen = polls();
    await until(() => polls() > seen, "a poll");
  }
  assert.ok(polls() > before);
});
