import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorCode, JsonValue } from "../../protocol/index.ts";
import { needs } from "../peers.ts";
import { seeded } from "../wire/random.ts";
import { askPython, builtinRegistry, contextOf, failure } from "./calling.ts";

const registry = builtinRegistry();
const call = (name: string, ...params: JsonValue[]) =>
  registry.call(`math.${name}`, params, contextOf()) as JsonValue;
const longest = 10n ** 4096n - 1n;

test("products and sums of integers are exact", async () => {
  assert.equal(call("multiply", 6, 7), 42);
  assert.equal(call("multiply", 0.1, 3), 0.1 * 3);
  assert.equal(call("multiply", 9007199254740991, 9007199254740991), 81129638414606663681390495662081n);
  assert.equal(call("multiply", 3n ** 50n, -2), -2n * 3n ** 50n);
  assert.equal(call("multiply", 2n ** 53n, 0.5), 2 ** 52);
  assert.ok(Object.is(call("multiply", 0, -5), 0));
  assert.equal(call("add", 9007199254740991, 2), 9007199254740993n);
  assert.equal(call("add", 9007199254740993n, -2), 9007199254740991);
  assert.equal(call("add", longest, -1), longest - 1n);
  assert.equal(call("add", 0.5, 1), 1.5);
  await failure(() => call("add", longest, 1), "limit");
  await failure(() => call("multiply", longest, 2), "limit");
  await failure(() => call("multiply", longest, 0.5), "invalid");
  await failure(() => call("multiply", 1e200, 1e200), "invalid");
});

test("a sum adds numbers or joins texts", async () => {
  assert.equal(call("sum"), 0);
  assert.equal(call("sum", 1, 2, 3.5), 6.5);
  assert.equal(call("sum", 9007199254740991, 1, 1), 9007199254740993n);
  assert.equal(call("sum", ...Array<number>(10).fill(0.1)), 1);
  assert.equal(call("sum", 1e100, 1, -1e100), 1);
  assert.equal(call("sum", "a", "", "bc"), "abc");
  const error = await failure(() => call("sum", 1, 2, "x"), "invalid");
  assert.equal(error.message, "math.sum: argument 3 mixes texts and numbers; allowed: all of one kind");
  await failure(() => call("sum", 1.7e308, 1.7e308), "invalid");
});

test("a quadratic has its real roots in ascending order, none twice", async () => {
  const table: [JsonValue[], JsonValue[]][] = [
    [
      [1, -3, 2],
      [1, 2],
    ],
    [
      [-1, 3, -2],
      [1, 2],
    ],
    [[1, 2, 1], [-1]],
    [[1, 0, 1], []],
    [[5, 0, 0], [0]],
    [
      [1, 0, -2],
      [-Math.SQRT2, Math.SQRT2],
    ],
    [[0, 2, -3], [1.5]],
    [[0, 2, 0], [0]],
    [
      [1, -1e8, 1],
      [1e-8, 99999999.99999999],
    ],
    [
      [1e200, 1e200, -1e200],
      [-1.618033988749895, 0.6180339887498949],
    ],
    [
      [1, 1e200, 1],
      [-1e200, -1e-200],
    ],
    [[1e200, 1, 1e-200], []],
    [
      [5e-324, 0, -5e-324],
      [-1, 1],
    ],
    [
      [1, 0, -(10n ** 40n)],
      [-(10n ** 20n), 10n ** 20n],
    ],
    [
      [1, -(2n ** 60n), 0],
      [0, 2n ** 60n],
    ],
  ];
  for (const [coefficients, roots] of table) {
    assert.deepStrictEqual(call("quadratic", ...coefficients), roots, coefficients.join(" "));
  }
  await failure(() => call("quadratic", 0, 0, 0), "invalid");
  await failure(() => call("quadratic", 0, 0, 1), "invalid");
  await failure(() => call("quadratic", 5e-324, 1, 1), "invalid");
});

test("roots agree with Python's decimals to the last digits of a double", (t) => {
  if (!needs(t, "python3")) return;
  const next = seeded(7);
  const cases = Array.from({ length: 1_000 }, () =>
    Array.from({ length: 3 }, () => (next() - 0.5) * 10 ** Math.floor(next() * 60 - 30)),
  );
  const answers = askPython(
    `from fractions import Fraction as F
from decimal import Decimal, getcontext
getcontext().prec = 200
answers = []
for a, b, c in cases:
    d = F(b)**2 - 4*F(a)*F(c)
    if d < 0: answers.append([]); continue
    r = (Decimal(d.numerator)/Decimal(d.denominator)).sqrt()
    answers.append(sorted(float((-Decimal(b) + s*r)/(2*Decimal(a))) for s in (-1, 1)))`,
    cases,
  ) as number[][];
  assert.ok(answers.filter(({ length }) => length === 2).length > 300);
  for (const [index, coefficients] of cases.entries()) {
    assert.deepEqual(call("quadratic", ...coefficients), answers[index], coefficients.join(" "));
  }
});

test("expressions follow the rules of arithmetic", () => {
  const table: [string, JsonValue][] = [
    ["1+2*3", 7],
    ["(1+2)*3", 9],
    ["-2**2", -4],
    ["2**3**2", 512],
    ["2**-1", 0.5],
    ["--3", 3],
    ["2*-3", -6],
    [" 7 / 2 ", 3.5],
    ["6/2", 3],
    ["10**30/7", 1.4285714285714285e29],
    ["-7 % 3", 2],
    ["7 % -3", -2],
    ["-7 // 2", -4],
    ["-7.5 % 2", 0.5],
    ["0.1+0.2", 0.1 + 0.2],
    [".5 + 1. + 1e2", 101.5],
    ["0xff + 0b101", 260],
    ["2**100", 2n ** 100n],
    ["2**100 % 97 ", Number(2n ** 100n % 97n)],
    ["0**0", 1],
    ["(-1)**1000000000001", -1],
    ["sqrt(16)", 4],
    ["sqrt(10**40)", 10n ** 20n],
    ["sqrt(2)", Math.SQRT2],
    ["abs(-3)", 3],
    ["min(3, 1.5, 2**70)", 1.5],
    ["max(3, 1.5, 2**70)", 2n ** 70n],
    ["floor(-1.5) + ceil(1.2) + trunc(-1.7)", -1],
    ["round(2.5) + round(3.5) + round(-0.5)", 6],
    ["round(2**70)", 2n ** 70n],
    ["floor(1e20)", 10n ** 20n],
    ["sin(pi/2)", 1],
    ["cos(0) + atan(0)", 1],
    ["log(e)", 1],
    ["log10(10**4000)", 4000],
    ["log2(2**80)", 80],
    ["exp(0)", 1],
    ["tau/pi", 2],
    [`${"(".repeat(60)}1${")".repeat(60)}`, 1],
    ["9".repeat(4096), longest],
  ];
  for (const [expression, value] of table)
    assert.deepStrictEqual(call("evaluate", expression), value, expression);
});

test("an expression that is none says where", async () => {
  const table: [string, ErrorCode, string][] = [
    ["", "invalid", 'expression at character 1: expected a number, a name or "(", found the end'],
    ["1+", "invalid", 'expression at character 3: expected a number, a name or "(", found the end'],
    ["(1", "invalid", 'expression at character 3: expected ")", found the end'],
    ["1 2", "invalid", 'expression at character 3: expected an operator or the end, found "2"'],
    ["2 ^ 3", "invalid", 'expression at character 3: expected a number, a name or an operator, found "^"'],
    ["process(1)", "invalid", 'expression at character 1: no function or constant "process"'],
    ["constructor", "invalid", 'expression at character 1: no function or constant "constructor"'],
    ["sin", "invalid", 'expression at character 4: expected "(", found the end'],
    ["sin(1, 2)", "invalid", "expression at character 1: sin got 2 numbers; allowed: 1"],
    ["1/0", "invalid", "expression at character 2: division by zero"],
    ["1 % 0.0", "invalid", "expression at character 3: remainder by zero"],
    ["0**-1", "invalid", "expression at character 2: 0 to a negative power"],
    ["(-8)**0.5", "invalid", "expression at character 5: power has no real result"],
    ["sqrt(-1)", "invalid", "expression at character 1: the square root of a negative number"],
    ["log(0)", "invalid", "expression at character 1: log of a number that is not above 0"],
    ["asin(2)", "invalid", "expression at character 1: asin has no real result"],
    [
      "1e308*10.5",
      "invalid",
      "expression at character 6: the result of multiplication is too large for a number",
    ],
    ["1e400", "invalid", "expression at character 1: a number too large; allowed: up to 1.8e308"],
  ];
  for (const [expression, code, message] of table) {
    assert.equal((await failure(() => call("evaluate", expression), code)).message, message);
  }
});

test("an expression is bounded in length, depth, operations, exponents and digits", async () => {
  for (const expression of [
    "9**9**9**9",
    "2**13607",
    "2**(10**4000)",
    "(10**4095)*10**1",
    "9".repeat(4097),
    `0x${"f".repeat(8000)}`,
    `${"(".repeat(65)}1${")".repeat(65)}`,
    `${"-".repeat(5000)}1`,
    Array(600).fill("1").join("+"),
    " ".repeat(8193),
    `${"2**".repeat(2000)}2`,
  ]) {
    await failure(() => call("evaluate", expression), "limit");
  }
  assert.equal(call("evaluate", "2**13606"), 2n ** 13606n);
  // The dearest that the bounds let through.
  for (const part of ["9**4000%8**4000", "sqrt(9**4000)", "9**4000/7", "max(9**4000,1)"]) {
    const expression = Array(240).fill(part).join("-").slice(0, 8192);
    const start = process.hrtime.bigint();
    try {
      call("evaluate", expression);
    } catch {
      // Out of operations or of characters: what counts is when.
    }
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
    assert.ok(milliseconds < 1_000, `${part}: ${milliseconds} ms`);
  }
});

test("integer expressions agree with Python", (t) => {
  if (!needs(t, "python3")) return;
  const next = seeded(11);
  const pick = (words: readonly string[]) => words[Math.floor(next() * words.length)] as string;
  const build = (depth: number): string => {
    const choice = next();
    if (depth === 0 || choice < 0.25) return String(Math.floor(next() * 10 ** Math.floor(next() * 20)));
    if (choice < 0.35) return `-${build(depth - 1)}`;
    if (choice < 0.5) return `(${build(depth - 1)})`;
    if (choice < 0.6) return `(${build(depth - 1)})**${Math.floor(next() * 6)}`;
    if (choice < 0.65)
      return `${pick(["abs", "min", "max"])}(${build(depth - 1)})`.replace(/^(min|max)\((.*)\)$/, "$1($2,5)");
    return `${build(depth - 1)}${pick([" + ", "-", "*", "//", " % ", "/"])}${build(depth - 1)}`;
  };
  const cases = Array.from({ length: 4_000 }, () => build(4));
  const answers = askPython(
    `answers = []
for text in cases:
    try:
        value = eval(text)
        answers.append(value if isinstance(value, int) else {"float": value})
    except (ZeroDivisionError, OverflowError): answers.append(None)`,
    cases,
  ) as JsonValue[];
  let compared = 0;
  for (const [index, expression] of cases.entries()) {
    const answer = answers[index] as JsonValue;
    // Python divides to doubles always, so that what comes after one differs.
    if (answer === null || (expression.includes("/") && !/^[^/]*(\/\/[^/]*)*$/.test(expression))) continue;
    compared++;
    assert.deepStrictEqual(call("evaluate", expression), answer, expression);
  }
  assert.ok(compared > 2_000, String(compared));
});

test("one division of integers is the double that Python gives", (t) => {
  if (!needs(t, "python3")) return;
  const next = seeded(12);
  const integer = () =>
    `${1 + Math.floor(next() * 9)}${Array.from({ length: Math.floor(next() * 400) }, () => Math.floor(next() * 10)).join("")}`;
  const cases = Array.from({ length: 2_000 }, () => [integer(), integer()]);
  const answers = askPython(
    `answers = []
for a, b in cases:
    try: answers.append(int(a) / int(b) if int(a) % int(b) else None)
    except OverflowError: answers.append("large")`,
    cases,
  ) as JsonValue[];
  for (const [index, [a, b]] of cases.entries()) {
    const answer: JsonValue | undefined = answers[index];
    if (typeof answer !== "number") continue;
    assert.equal(call("evaluate", `${a}/${b}`), answer, `${a}/${b}`);
  }
});
