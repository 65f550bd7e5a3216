import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandProfile, DeviceProfile, ReadingProfile } from "../../firmware-bridge/index.ts";
import { SERIAL } from "../../protocol/limits.ts";
import { attach, profileOf } from "./line-peer.ts";
import { until } from "./until.ts";

const SCAN = '^\\+AP:"(?<ssid>[^"]*)"(,(?<rssi>-?[0-9]+))?$';

const ANSWERS: readonly [what: string, command: Partial<CommandProfile>, came: string, result: unknown][] = [
  ["so many lines", { lines: 2 }, "a\nb\nc\n", ["a", "b"]],
  ["one line as an array", { lines: 1, expect: "^b" }, "a\nb\n", ["b"]],
  ["so many lines that match", { lines: 2, expect: "^[0-9]+$", type: "integer" }, "1\nx\n2\n", [1, 2]],
  ["all lines to the end", { until: "^OK$" }, "a\nb\nOK\n", ["a", "b"]],
  ["no line before the end", { until: "^OK$" }, "OK\n", []],
  ["lines without the readings between them", { until: "^OK$" }, "a\nBTN 1\nb\nOK\n", ["a", "b"]],
  [
    "objects of named groups",
    { until: "^OK$", expect: SCAN, fields: { ssid: "string", rssi: "integer" } },
    'noise\n+AP:"attic",-61\n+AP:"cellar"\nOK\n',
    [{ ssid: "attic", rssi: -61 }, { ssid: "cellar" }],
  ],
  [
    "an object",
    { expect: "^T=(?<t>\\S+) H=(?<h>\\S+)$", fields: { h: "number", t: "number" } },
    "T=21.5 H=40\n",
    { h: 40, t: 21.5 },
  ],
];

for (const [what, command, came, result] of ANSWERS) {
  test(`line answers: ${what}`, async () => {
    assert.deepEqual(await attach(profileOf(command), () => came).run("x"), result);
  });
}

const REFUSALS: readonly [
  what: string,
  command: Partial<CommandProfile>,
  came: string,
  code: string,
  RegExp,
][] = [
  [
    "a line that says it failed",
    { until: "^OK$", error: "^ERR" },
    "a\nERR 7\n",
    "device-failed",
    /answered "ERR 7"$/,
  ],
  ["too few lines", { lines: 3 }, "a\nb\n", "timeout", /only 2 of 3 lines within 30 ms$/],
  ["no end", { until: "^OK$" }, "a\nb\n", "timeout", /no line matching \^OK\$ .*\(2 lines came before it\)$/],
  [
    "a field that is no number",
    { until: "^OK$", expect: "^(?<n>.+)$", fields: { n: "integer" } },
    "1\nx\n2\nOK\n",
    "device-failed",
    /x, n: "x" is no integer/,
  ],
  [
    "too many lines",
    { until: "^OK$" },
    `${"a\n".repeat(SERIAL.answerLines + 1)}OK\n`,
    "limit",
    /more than 4096 lines/,
  ],
  [
    "too many bytes",
    { until: "^OK$" },
    `${`${"a".repeat(60_000)}\n`.repeat(20)}OK\n`,
    "limit",
    /1048576 bytes/,
  ],
];

for (const [what, command, came, code, message] of REFUSALS) {
  test(`line answers: ${what} is ${code}`, async () => {
    const peer = attach(profileOf({ timeout: 30, ...command }), () => came);
    await assert.rejects(peer.run("x"), { code, message });
  });
}

test("line answers: the next command goes out only after a failing answer is whole", async () => {
  const profile = profileOf({ until: "^OK$", expect: "^(?<n>.+)$", result: "n", type: "integer" });
  const peer = attach(profile, () => "");
  const [first, second] = [peer.run("x"), peer.run("x")];
  peer.say("nonsense\n1\n");
  assert.deepEqual(peer.written, ["X\n"]);
  peer.say("OK\n");
  await assert.rejects(first, { code: "device-failed" });
  assert.deepEqual(peer.written, ["X\n", "X\n"]);
  peer.say("2\nOK\n");
  assert.deepEqual(await second, [2]);
});

test("line answers: a late answer is not the next one's, where the device said nothing else", async () => {
  const peer = attach(profileOf({ expect: "^[0-9]+$", type: "integer", timeout: 30 }), () => "");
  const first = peer.run("x");
  await assert.rejects(first, { code: "timeout" });
  const second = peer.run("x");
  assert.equal(peer.written.length, 1, "the port still waits");
  peer.say("1\n");
  await until(() => peer.written.length === 2, "the second question");
  peer.say("2\n");
  assert.equal(await second, 2);
});

test("line answers: a device that answered something else is asked the next question at once", async () => {
  const peer = attach(profileOf({ expect: "^OK$", timeout: 30 }), () => "ERR range\n");
  await assert.rejects(peer.run("x"), { code: "timeout", message: /"ERR range" came instead/ });
  void peer.run("x").catch(() => {});
  assert.equal(peer.written.length, 2);
});

const MISTAKES: readonly [what: string, command: Partial<CommandProfile>, message: RegExp][] = [
  ["lines and until", { lines: 2, until: "x" }, /either ends the answer/],
  ["error alone", { error: "x" }, /error needs one of/],
  ["fields without expect", { until: "x", fields: { a: "string" } }, /need an expect/],
  ["fields and a result", { expect: "(?<a>x)", result: "a", fields: { a: "string" } }, /not go together/],
  ["a field that is no group", { expect: "(?<a>x)", fields: { b: "string" } }, /"b".* groups are a$/],
  ["an until that is no expression", { until: "(" }, /^commands\.x: /],
];

for (const [what, command, message] of MISTAKES) {
  test(`line answers: ${what} is a mistake in the configuration`, () => {
    assert.throws(() => attach(profileOf(command), () => ""), { code: "invalid", message });
  });
}

/** A device whose only command gives temperature and humidity, with these readings. */
function climate(readings: { readonly [name: string]: ReadingProfile }): DeviceProfile {
  const command: Partial<CommandProfile> = {
    send: "CLIMATE?",
    expect: "^T=(?<t>\\S+)( H=(?<h>\\S+))?$",
    fields: { t: "number", h: "number" },
  };
  return profileOf(command, { readings });
}

const poll = (field: string, every = 20): ReadingProfile => ({
  source: { kind: "poll", command: "x", every, field },
});

test("line polls: readings of one command share one question", async () => {
  const peer = attach(climate({ t: poll("t"), h: poll("h") }), () => "T=21.5 H=40\n");
  await until(() => peer.values.length >= 4, "two rounds");
  assert.deepEqual(peer.values.slice(0, 4), [
    ["t", 21.5],
    ["h", 40],
    ["t", 21.5],
    ["h", 40],
  ]);
  assert.equal(peer.written.length, 2);
  peer.detach();
});

test("line polls: a field that is not in the answer fails its reading, not the other", async () => {
  const peer = attach(climate({ t: poll("t"), h: poll("h") }), () => "T=21.5\n");
  await until(() => peer.failures.length > 0, "a failure");
  assert.deepEqual(peer.values[0], ["t", 21.5]);
  assert.match(String(peer.failures[0]?.[1].message), /h: the answer has no h/);
  peer.detach();
});

test("line polls: a device that does not answer never has two polls waiting", async () => {
  const profile = profileOf(
    { expect: "^T", timeout: 60 },
    { readings: { t: { source: { kind: "poll", command: "x", every: 5 } } } },
  );
  const peer = attach(profile, () => "");
  await until(() => peer.failures.length >= 2, "two failures");
  // Each failure had its whole time, though twelve intervals passed in it.
  assert.ok(peer.written.length <= 3, `${peer.written.length} questions`);
  assert.ok(peer.failures.every(([, { code }]) => code === "timeout"));
  peer.detach();
});

test("line polls: under concurrent commands each gets the answer to its own question", async () => {
  const commands = {
    x: { send: "N?", expect: "^N (?<n>.*)$", result: "n", type: "integer", parameters: {} },
    echo: {
      send: "ECHO {n}",
      expect: "^ECHO (?<n>.*)$",
      result: "n",
      type: "integer",
      parameters: { n: { type: "integer" } },
    },
  } as const;
  const source = { kind: "poll", command: "x", every: 1 } as const;
  const profile = profileOf({}, { commands, readings: { n: { source }, m: { source } } });
  let asked = 0;
  const peer = attach(profile, (line) => (line === "N?\n" ? `N ${++asked}\n` : line));
  for (let round = 0; round < 20; round += 1) {
    const wanted = Array.from({ length: 100 }, (_, index) => round * 100 + index);
    assert.deepEqual(await Promise.all(wanted.map((n) => peer.run("echo", { n }))), wanted);
    const before = asked;
    await until(() => asked > before, "a poll between the commands");
  }
  peer.detach();
  assert.ok(asked >= 20, `${asked} polls`);
  const polled = peer.values.filter(([name]) => name === "n").map(([, value]) => value);
  assert.deepEqual(
    polled,
    polled.map((_, index) => index + 1),
  );
});

const POLL_MISTAKES: readonly [
  what: string,
  command: Partial<CommandProfile>,
  reading: ReadingProfile,
  RegExp,
][] = [
  ["several lines", { lines: 2 }, { source: { kind: "poll", command: "x", every: 9 } }, /several lines/],
  ["no field", { expect: "." }, poll("t"), /no fields to take "t"/],
  ["which field is not said", {}, { source: { kind: "poll", command: "x", every: 9 } }, /one of the fields/],
  ["a field that is not there", {}, poll("z"), /fields of "x": t, h/],
];

for (const [what, command, reading, message] of POLL_MISTAKES) {
  test(`line polls: ${what} is a mistake in the configuration`, () => {
    const profile = Object.keys(command).length === 0 ? climate({ r: reading }) : undefined;
    const make = () => attach(profile ?? profileOf(command, { readings: { r: reading } }), () => "");
    assert.throws(make, { code: "invalid", message });
  });
}
