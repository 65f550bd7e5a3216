import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { JSON_TEXT, type JsonValue, parseJson, TetherError, writeJson } from "../../protocol/index.ts";
import { needs, PYTHON } from "../peers.ts";
import { seeded } from "../wire/random.ts";

function thrown(work: () => unknown): TetherError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof TetherError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

test("integers are exact from the first one that a double cannot hold", () => {
  const table: [string, JsonValue][] = [
    ["0", 0],
    ["999999999999999", 999_999_999_999_999],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740991", Number.MIN_SAFE_INTEGER],
    ["-9007199254740993", -9007199254740993n],
    ["[12345678901234567890]", [12345678901234567890n]],
    ['{"a":-123456789012345678901234567890}', { a: -123456789012345678901234567890n }],
    ['"12345678901234567890"', "12345678901234567890"],
    ["0.12345678901234567890", 0.12345678901234568],
    ["12345678901234567890.0", 12345678901234567e3],
    ["12345678901234567890e0", 12345678901234567e3],
    ["1e300", 1e300],
    ["1e-400", 0],
  ];
  for (const [text, value] of table) assert.deepStrictEqual(parseJson(text), value, text);
  assert.ok(Object.is(parseJson("-0"), -0));
  assert.deepStrictEqual(parseJson("[-0,12345678901234567890]"), [-0, 12345678901234567890n]);
});

test("integers have 4096 digits and no more, both ways", () => {
  const most = "9".repeat(JSON_TEXT.integerDigits);
  for (const text of [most, `-${most}`, `[${most},1]`]) assert.equal(writeJson(parseJson(text)), text);
  for (const text of [`${most}0`, `-1${most}`]) {
    const error = thrown(() => parseJson(text));
    assert.equal(error.code, "limit");
    assert.match(error.message, /^JSON at character 1: an integer of 4097 digits; allowed: up to 4096$/);
    assert.equal(thrown(() => writeJson([BigInt(text)])).code, "limit");
  }
});

test("a mistake is named with its place", () => {
  const table: [string, string][] = [
    ["", "JSON at character 1: expected a value, found the end"],
    ["  ", "JSON at character 3: expected a value, found the end"],
    ["{'a':1}", `JSON at character 2: expected a key in quotes, found "'"`],
    ['{"method":"a",}', 'JSON at character 15: expected a key in quotes, found "}"'],
    ['{"a" 1}', 'JSON at character 6: expected ":", found "1"'],
    ["[1,2", 'JSON at character 5: expected "," or "]", found the end'],
    ["[1,]", 'JSON at character 4: expected a value, found "]"'],
    ["[1 2]", 'JSON at character 4: expected "," or "]", found "2"'],
    ["1 1", 'JSON at character 3: expected the end, found "1"'],
    ["01", 'JSON at character 2: expected the end, found "1"'],
    ["-", "JSON at character 2: expected a digit, found the end"],
    ["1.", 'JSON at character 2: expected the end, found "."'],
    ["+1", 'JSON at character 1: expected a value, found "+"'],
    ["NaN", 'JSON at character 1: expected a value, found "N"'],
    ["nul", 'JSON at character 1: expected a value, found "n"'],
    ['"a', "JSON at character 3: the text ends inside a string"],
    ['"a\n"', "JSON at character 3: a control character in a string; write it as an escape"],
    ["\u{feff}1", 'JSON at character 1: expected a value, found "\u{feff}"'],
    ["[1e400]", "JSON at character 2: a number too large; allowed: up to 1.7976931348623157e308"],
    ["-1.5E+0309", "JSON at character 1: a number too large; allowed: up to 1.7976931348623157e308"],
  ];
  for (const [text, message] of table) {
    const error = thrown(() => parseJson(text));
    assert.deepEqual([error.code, error.message], ["invalid", message], JSON.stringify(text));
  }
  assert.match(
    thrown(() => parseJson('"ab\\x"')).message,
    /^JSON at character 4: an escape that JSON does not have/,
  );
});

test("nesting is bounded, also where brackets hide in strings", () => {
  const deepest = "[".repeat(JSON_TEXT.depth) + "]".repeat(JSON_TEXT.depth);
  assert.equal(writeJson(parseJson(deepest)), deepest);
  for (const text of [
    `[${deepest}]`,
    `["${"]".repeat(200)}",${deepest}]`,
    `["\\"${"]".repeat(200)}",${deepest}]`,
    "[".repeat(1_000_000),
    '{"a":'.repeat(1_000_000),
  ]) {
    const error = thrown(() => parseJson(text));
    assert.equal(error.code, "limit", error.message);
    assert.match(error.message, /nested deeper than 64$/);
  }
  const many = `[${Array(500).fill('{"a":[]}').join(",")}]`;
  assert.equal(writeJson(parseJson(many)), many);
});

test("keys are data: the last of equal ones wins, and __proto__ is one of them", () => {
  for (const more of ["", ',"n":12345678901234567890']) {
    const value = parseJson(`{"__proto__":{"polluted":1},"a":1,"a":2${more}}`) as { a: number };
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.ok(Object.hasOwn(value, "__proto__"));
    assert.equal("polluted" in value, false);
    assert.equal(value.a, 2);
    assert.equal(writeJson(value), `{"__proto__":{"polluted":1},"a":2${more}}`);
  }
});

test("what JSON cannot carry is refused with the path to it", () => {
  const inside: JsonValue[] = [1];
  inside.push({ again: inside });
  let deep: JsonValue = 1;
  for (let n = 0; n <= JSON_TEXT.depth; n++) deep = [deep];
  const table: [unknown, string][] = [
    [Number.NaN, "JSON at $: NaN, which JSON cannot carry"],
    [{ a: [1, Number.POSITIVE_INFINITY] }, "JSON at $.a[1]: Infinity, which JSON cannot carry"],
    [{ "a b": undefined }, 'JSON at $["a b"]: undefined, which JSON cannot carry'],
    [[() => 1], "JSON at $[0]: a function, which JSON cannot carry"],
    [[Symbol("x")], "JSON at $[0]: a symbol, which JSON cannot carry"],
    [{ at: new Date(0) }, "JSON at $.at: an object of class Date, which JSON cannot carry"],
    [[new Map()], "JSON at $[0]: an object of class Map, which JSON cannot carry"],
    [inside, "JSON at $[1].again: a value inside itself, which JSON cannot carry"],
    [deep, `JSON at $${"[0]".repeat(16)}…: nesting deeper than 64, which JSON cannot carry`],
    [[1n, [undefined]], "JSON at $[1][0]: undefined, which JSON cannot carry"],
  ];
  for (const [value, message] of table) {
    const error = thrown(() => writeJson(value as JsonValue));
    assert.deepEqual([error.code, error.message], ["invalid", message]);
  }
});

test("numbers come back as what they were", () => {
  const numbers = [
    0,
    -0,
    0.1,
    1e20,
    1.2345678901234567e20,
    -9007199254740994,
    2 ** 60,
    1e21,
    5e-324,
    1.7976931348623157e308,
  ];
  for (const number of numbers) assert.ok(Object.is(parseJson(writeJson(number)), number), String(number));
  assert.deepStrictEqual(parseJson(writeJson(numbers)), numbers);
  const shared = { a: 1 };
  assert.equal(writeJson([shared, shared, 10n ** 20n]), '[{"a":1},{"a":1},100000000000000000000]');
});

test("agrees with the native parser on everything that it gets right, and on what it refuses", () => {
  const next = seeded(20);
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "\\",
    "\\u12",
    "1",
    "-",
    "0",
    ".5",
    "e3",
    "E+7",
    "true",
    "null",
    " ",
    "\n",
    "\t",
    '"\\ud800"',
    '"é\\n"',
    "\u0001",
    "x",
  ];
  let accepted = 0;
  for (let round = 0; round < 60_000; round++) {
    let text = "";
    if (round % 2 === 0) {
      for (let n = Math.floor(next() * 9); n >= 0; n--) text += pieces[Math.floor(next() * pieces.length)];
    } else {
      text = JSON.stringify(document(next, 4));
      const at = Math.floor(next() * text.length);
      if (next() < 0.7)
        text =
          text.slice(0, at) +
          pieces[Math.floor(next() * pieces.length)] +
          text.slice(at + Math.floor(next() * 3));
    }
    // Beyond the range of a double, and of its integers, the two differ on purpose.
    if (/[eE]\+?\d{3}|(?:^|[^.\d])\d{16}/.test(text)) continue;
    // A long integer beside it leads the same text through the exact reader.
    for (const whole of [text, `[12345678901234567890,${text}]`]) {
      let native: unknown;
      let refused = false;
      try {
        native = JSON.parse(whole.replace("12345678901234567890", "1"));
      } catch {
        refused = true;
      }
      if (refused) assert.equal(thrown(() => parseJson(whole)).code, "invalid", whole);
      else {
        accepted++;
        const ours = parseJson(whole) as JsonValue[];
        if (whole !== text) ours[0] = 1;
        assert.deepStrictEqual(ours, native, whole);
        assert.deepStrictEqual(parseJson(writeJson(ours)), ours, whole);
      }
    }
  }
  assert.ok(accepted > 10_000, String(accepted));
});

function document(next: () => number, depth: number): JsonValue {
  const choice = Math.floor(next() * (depth > 0 ? 7 : 5));
  if (choice === 0) return null;
  if (choice === 1) return next() < 0.5;
  if (choice === 2) return Math.floor(next() * 2000) - 1000;
  if (choice === 3) return (next() - 0.5) * 10 ** Math.floor(next() * 34 - 20);
  if (choice === 4)
    return String.fromCharCode(
      ...Array.from({ length: Math.floor(next() * 80) }, () => Math.floor(next() * 300)),
    );
  const members = Array.from({ length: Math.floor(next() * 5) }, () => document(next, depth - 1));
  return choice === 5 ? members : Object.fromEntries(members.map((member, n) => [`k${n}`, member]));
}

test("agrees with Python on long integers, both ways", (t) => {
  if (!needs(t, "python3")) return;
  const next = seeded(21);
  const digits = (count: number) => Array.from({ length: count }, () => Math.floor(next() * 10)).join("");
  const integers = Array.from({ length: 2_000 }, (_, n) => {
    const length = n < 1_900 ? 1 + Math.floor(next() * 60) : 1 + Math.floor(next() * 4_095);
    return `${next() < 0.5 ? "-" : ""}${1 + Math.floor(next() * 9)}${digits(length - 1)}`;
  });
  const text = `[${integers.join(",")}]`;
  const python = spawnSync(
    PYTHON,
    [
      "-c",
      "import json,sys; v=json.load(sys.stdin); print(json.dumps([[str(x) for x in v], [x*3-1 for x in v]]))",
    ],
    { input: text, encoding: "utf8", maxBuffer: 64 << 20 },
  );
  assert.equal(python.status, 0, python.stderr);
  const [seen, computed] = parseJson(python.stdout) as [string[], JsonValue[]];
  assert.deepEqual(seen, integers);
  assert.equal(writeJson(parseJson(text)), text);
  assert.deepEqual(
    computed.map(String),
    integers.map((integer) => String(BigInt(integer) * 3n - 1n)),
  );
});

test("16 MiB of long integers are read and written within seconds", () => {
  for (const size of [17, 4_096]) {
    const integer = "123456789".repeat(500).slice(0, size);
    const text = `[${`${integer},`.repeat(Math.floor((16 << 20) / (size + 1)))}0]`;
    const start = process.hrtime.bigint();
    assert.ok(writeJson(parseJson(text)) === text);
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    assert.ok(seconds < 10, `${size} digits: ${seconds} s`);
  }
});
