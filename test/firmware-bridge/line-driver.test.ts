import assert from "node:assert/strict";
import { test } from "node:test";
import { createDriver } from "../../firmware-bridge/drivers/index.ts";
import type {
  CommandProfile,
  DeviceProfile,
  DeviceValue,
  ParameterProfile,
} from "../../firmware-bridge/index.ts";
import type { LineSettings } from "../../firmware-bridge/profile.ts";
import { TetherError } from "../../protocol/errors.ts";
import { benchProfile } from "./bench-profile.ts";
import { attach, profileOf } from "./line-peer.ts";
import { until } from "./until.ts";

const CONVERSIONS: readonly [type: CommandProfile["type"], came: string, value: DeviceValue | undefined][] = [
  ["integer", "42", 42],
  ["integer", "-7", -7],
  ["integer", " 8 ", 8],
  ["integer", "90071992547409930", 90071992547409930n],
  ["integer", "4.5", undefined],
  ["integer", "0x10", undefined],
  ["number", "-21.50", -21.5],
  ["number", "1e3", 1000],
  ["number", "1e999", undefined],
  ["number", "nan", undefined],
  ["number", "", undefined],
  ["boolean", "ON", true],
  ["boolean", "0", false],
  ["boolean", "2", undefined],
  ["string", " as it is ", " as it is "],
];

for (const [type, came, value] of CONVERSIONS) {
  const command: Partial<CommandProfile> = { expect: "^X=(?<v>.*)$", result: "v", ...(type ? { type } : {}) };
  test(`line driver: "${came}" as ${type} ${value === undefined ? "is refused" : `is ${value}`}`, async () => {
    const asked = attach(profileOf(command), () => `X=${came}\n`).run("x");
    if (value === undefined)
      await assert.rejects(asked, { code: "device-failed", message: new RegExp(`"${came}"`) });
    else assert.equal(await asked, value);
  });
}

test("line driver: without a result the whole line is the answer, without expect there is none", async () => {
  const { run, written } = attach(profileOf({ expect: "b" }), () => "a b c\n");
  assert.equal(await run("x"), "a b c");
  assert.equal(await attach(profileOf({}), () => "").run("x"), null);
  assert.deepEqual(written, ["X\n"]);
});

test("line driver: parameters stand in their places, defaults fill in", async () => {
  const command: CommandProfile = {
    send: '{"set":{n},{text},{on},{n}}',
    parameters: { n: { type: "number" }, text: { type: "string", default: "→" }, on: { type: "boolean" } },
  };
  const { run, written } = attach(profileOf(command), () => "");
  await run("x", { n: -1.5, on: true });
  assert.deepEqual(written, ['{"set":-1.5,→,true,-1.5}\n']);
});

for (const [what, text] of [
  ["a newline", "a\nLED 1"],
  ["a carriage return", "a\r"],
  ["an escape", "\u001b[2J"],
  ["a NUL", "\0"],
  ["a delete", "\u007f"],
  ["a C1 control", "\u0085"],
  ["a line separator", "\u2028"],
  ["the terminator", "a;LED 1"],
] as const) {
  test(`line driver: ${what} in a text parameter is invalid, and nothing is sent`, async () => {
    const command: CommandProfile = { send: "SAY {text}", parameters: { text: { type: "string" } } };
    const line = { terminator: ";", timeout: 100, separators: "" };
    const { run, written } = attach(profileOf(command, { line }), () => "");
    await assert.rejects(run("x", { text }), { code: "invalid", message: /parameter text / });
    assert.deepEqual(written, []);
  });
}

const SMUGGLERS: readonly [
  what: string,
  parameter: ParameterProfile,
  line: Partial<LineSettings>,
  text: string,
  written: string | RegExp,
][] = [
  ["a separator in a bare text", { type: "string" }, { separators: ";" }, "a;LED 1", /holds ;/],
  ["a separator in quotes", { type: "string", quote: '"' }, { separators: ";" }, "a;b", 'SAY "a;b"!\n'],
  ["a quote", { type: "string", quote: '"' }, {}, 'a" LED 1', /holds " or a backslash/],
  ["a backslash", { type: "string", quote: '"' }, {}, "a\\", /holds " or a backslash/],
  ["a quote, doubled", { type: "string", quote: "'", escape: "double" }, {}, "it's", "SAY 'it''s'!\n"],
  [
    "a quote after a backslash",
    { type: "string", quote: '"', escape: "backslash" },
    {},
    'a\\"b',
    'SAY "a\\\\\\"b"!\n',
  ],
  ["a newline in quotes", { type: "string", quote: '"', escape: "double" }, {}, "a\nb", /control character/],
  [
    "a terminator made with its neighbour",
    { type: "string" },
    { terminator: "end!" },
    "end",
    /line terminator/,
  ],
  ["a terminator made with the terminator", { type: "string" }, { terminator: "!!" }, "x", /line terminator/],
];

for (const [what, parameter, line, text, expected] of SMUGGLERS) {
  const refused = expected instanceof RegExp;
  test(`line driver: ${what} is ${refused ? "refused" : "sent safely"}`, async () => {
    const command: CommandProfile = { send: "SAY {text}!", parameters: { text: parameter } };
    const settings = { terminator: "\n", timeout: 100, separators: "", ...line };
    const { run, written } = attach(profileOf(command, { line: settings }), () => "");
    if (refused) await assert.rejects(run("x", { text }), { code: "invalid", message: expected });
    else await run("x", { text });
    assert.deepEqual(written, refused ? [] : [expected]);
  });
}

test("line driver: a line said by hand waits its turn and gets the next line that is no reading", async () => {
  const peer = attach(profileOf({ expect: "^OK" }), (line) => (line === "X\n" ? "OK\n" : "BTN 1\nhello\n"));
  const { signal } = new AbortController();
  const command = peer.run("x");
  const said = peer.driver.say("ID?", signal);
  assert.deepEqual(peer.written, ["X\n"]);
  assert.deepEqual([await command, await said], ["OK", "hello"]);
  for (const text of ["a\nLED 1", "a\rLED 1"]) {
    await assert.rejects(peer.driver.say(text, signal), { code: "invalid" });
  }
  assert.deepEqual(peer.written, ["X\n", "ID?\n"]);
});

test("line driver: an argument of another type is invalid", async () => {
  const command: CommandProfile = { send: "N {n}", parameters: { n: { type: "integer" } } };
  const { run, written } = attach(profileOf(command), () => "");
  for (const n of ["1\nLED 1", 1.5, Number.NaN, true, null, undefined, {}]) {
    await assert.rejects(run("x", { n }), { code: "invalid" }, String(n));
  }
  await run("x", { n: 12345678901234567890n });
  assert.deepEqual(written, ["N 12345678901234567890\n"]);
});

test("line driver: a timeout says what came instead", async () => {
  const changes: Partial<DeviceProfile> = {
    line: { terminator: "\n", timeout: 20, separators: "" },
    readings: { button: { source: { kind: "match", match: "^BTN" } } },
  };
  const cases: [came: string | Uint8Array, message: RegExp][] = [
    ["", /^bench\.x: no answer matching \^OK within 20 ms$/],
    ["ERR range\n", /"ERR range" came instead$/],
    ["BTN 1\n", /within 20 ms$/],
    ["ERR\tone\nBTN 1\n", /"ERR\\tone" came instead$/],
    [Uint8Array.of(0xff, 0x00, 0x0a), /no UTF-8 text \(ff00\).*baudRate/],
  ];
  for (const [came, message] of cases) {
    const { run } = attach(profileOf({ expect: "^OK" }, changes), () => came);
    await assert.rejects(run("x"), { code: "timeout", message });
  }
});

test("line driver: matched readings come at any time, also between question and answer", async () => {
  const profile = profileOf(
    { expect: "^OK" },
    {
      readings: {
        button: { source: { kind: "match", match: "^BTN (?<n>.+)$", result: "n" }, type: "integer" },
        anything: { source: { kind: "match", match: "^OK" } },
      },
    },
  );
  const { driver, run, values, failures } = attach(profile, () => "BTN 7\nOK 1\n");
  assert.equal(await run("x"), "OK 1");
  driver.received(Buffer.from("BTN 8\nBTN x\n"));
  assert.deepEqual(values, [
    ["button", 7],
    ["anything", "OK 1"],
    ["button", 8],
  ]);
  assert.deepEqual(
    failures.map(([name, { code }]) => [name, code]),
    [["button", "device-failed"]],
  );
});

test("line driver: a polled reading is asked for at once and again, and ends with the link", async () => {
  const profile = profileOf(
    { send: "T?", expect: "^T (?<t>.*)$", result: "t", type: "number" },
    { readings: { t: { source: { kind: "poll", command: "x", every: 10 } } } },
  );
  let asked = 0;
  const { driver, values, written } = attach(profile, () => `T ${++asked}\n`);
  await until(() => values.length >= 3, "three values");
  driver.detach(new TetherError("device-missing", "unplugged"));
  const before = written.length;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(written.length, before);
  assert.deepEqual(values.slice(0, 3), [
    ["t", 1],
    ["t", 2],
    ["t", 3],
  ]);
});

const MISTAKES: readonly [what: string, profile: DeviceProfile, message: RegExp][] = [
  ["an unknown driver", profileOf({}, { driver: "morse" }), /no driver "morse"; allowed: line, .*raw/],
  ["a broken pattern", profileOf({ expect: "(" }), /^commands\.x: .*\(/],
  [
    "a group that is not there",
    profileOf({ expect: "(?<a>.)", result: "b" }),
    /^commands\.x: .*"b".* groups are a$/,
  ],
  ["a result without expect", profileOf({ result: "b" }), /^commands\.x: .*expect/],
  ["a place without parameter", profileOf({ send: "X {n}" }), /^commands\.x: .*\{n\}/],
  [
    "a parameter without place",
    profileOf({ parameters: { n: { type: "integer" } } }),
    /^commands\.x: .*\{n\}/,
  ],
  [
    "an empty terminator",
    profileOf({}, { line: { terminator: "", timeout: 1, separators: "" } }),
    /terminator/,
  ],
  [
    "a poll of no command",
    profileOf({}, { readings: { r: { source: { kind: "poll", command: "y", every: 1000 } } } }),
    /^readings\.r: .*"y"/,
  ],
  [
    "a poll of a command without an answer",
    profileOf({}, { readings: { r: { source: { kind: "poll", command: "x", every: 1000 } } } }),
    /^readings\.r: .*no answer/,
  ],
  [
    "a poll of a command that needs an argument",
    profileOf(
      { send: "X {n}", expect: ".", parameters: { n: { type: "integer" } } },
      { readings: { r: { source: { kind: "poll", command: "x", every: 1000 } } } },
    ),
    /^readings\.r: parameter n /,
  ],
  ["a raw device with commands", profileOf({}, { driver: "raw" }), /raw .*x/],
];

for (const [what, profile, message] of MISTAKES) {
  test(`line driver: ${what} is a mistake in the configuration`, () => {
    const sink = { value() {}, failed() {}, redescribed() {} };
    assert.throws(() => createDriver(profile, sink), { code: "invalid", message });
  });
}

test("line driver: commands carry schemas for the registry", () => {
  const { driver } = attach(benchProfile({ kind: "simulate", what: "bench" }), () => "");
  const shapes = driver.commands.map(({ name, parameters, result }) => ({ name, parameters, result }));
  assert.deepEqual(shapes.slice(1, 4), [
    {
      name: "led",
      parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
      result: { type: "string" },
    },
    { name: "ledState", parameters: {}, result: { type: "boolean" } },
    { name: "temperature", parameters: {}, result: { type: "number" } },
  ]);
});
