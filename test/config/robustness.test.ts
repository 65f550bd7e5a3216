import assert from "node:assert/strict";
import { test } from "node:test";
import { CONFIGURATION } from "../../protocol/index.ts";
import { seeded } from "../wire/random.ts";
import { check, DEVICE_KEYS, EXAMPLE, mistakesOf } from "./surroundings.ts";

const PIECES = [
  ...": , - [ ] { } \" ' \t \n # & * ! | > ? % @ ` ~ \\ \0 \ufeff é".split(" "),
  ..."  |&a|*a|<<|---|...|!!str |null|true|-1|1e999|0x7f|2GiB|5s|(?<n>|__proto__|constructor".split("|"),
  ..."name: |devices:\n|\n  - |{ kind: tcp }|[[[[|: : : |simulate: bench".split("|"),
];

test("2,000 mutations of the example neither throw nor hang, and every mistake has a place in the text", () => {
  const random = seeded(7415);
  const below = (bound: number) => Math.floor(random() * bound);
  const lines = EXAMPLE.split("\n");
  const start = performance.now();
  let refused = 0;
  for (let round = 0; round < 2_000; round += 1) {
    let text = EXAMPLE;
    for (let change = below(4); change >= 0; change -= 1) {
      const at = below(text.length);
      const piece = PIECES[below(PIECES.length)] ?? "";
      const line = lines[below(lines.length)] ?? "";
      const ways = [
        () => text.slice(0, at) + piece + text.slice(at),
        () => text.slice(0, at) + piece + text.slice(at + 1 + below(8)),
        () => text.slice(0, at) + text.slice(at + 1 + below(40)),
        () => `${text.slice(0, at)}\n${line}\n${text.slice(at)}`,
        () => text.slice(0, at),
      ];
      text = ways[below(ways.length)]?.() ?? text;
    }
    const { configuration, mistakes } = check(text);
    assert.equal(configuration === undefined, mistakes.length > 0);
    refused += mistakes.length > 0 ? 1 : 0;
    const height = text.split("\n").length;
    for (const { line, column, message } of mistakes) {
      assert.ok(line >= 1 && line <= height && column >= 1, `${line}:${column} of ${height} lines`);
      assert.match(message, /^[^\p{Cc}]+$/u);
    }
  }
  assert.ok(refused > 1_000, `${refused} refused`);
  // A hang is what this looks for: a round takes about two milliseconds.
  assert.ok(performance.now() - start < 120_000);
});

const FULL = CONFIGURATION.fileBytes;

/** Texts as large as a file may be, each hard on another part of a parser. */
const HOSTILE: Readonly<Record<string, string>> = {
  "open brackets": "[".repeat(FULL),
  "open braces": "{a: ".repeat(FULL / 4),
  "closed brackets": "[".repeat(2_000) + "]".repeat(2_000),
  "lone closing brackets": "]\n".repeat(FULL / 2),
  dashes: "- ".repeat(FULL / 2),
  "question marks": "? ".repeat(FULL / 2),
  stairs: Array.from({ length: 700 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join(""),
  keys: "a:\n".repeat(FULL / 4),
  "different keys": Array.from({ length: 20_000 }, (_, index) => `k${index}:\n`).join(""),
  colons: ": ".repeat(FULL / 2),
  directives: "%a\n".repeat(FULL / 4),
  "second colons": "a: b: c\n".repeat(FULL / 8),
  tag: "!".repeat(FULL),
  anchors: `tags:\n${"- &a 1\n".repeat(FULL / 8)}`,
};

for (const [name, text] of Object.entries(HOSTILE)) {
  test(`a file of ${name} is refused within bounds`, () => {
    const start = performance.now();
    const { mistakes } = check(text);
    assert.ok(
      mistakes.length > 0 && mistakes.length <= CONFIGURATION.mistakes,
      `${mistakes.length} mistakes`,
    );
    assert.ok(mistakes.every(({ message }) => message.length < 1_000));
    assert.ok(performance.now() - start < 30_000);
  });
}

test("nesting is bounded at the bracket that is one too many", () => {
  const deep = `a: 1\nb: ${"[".repeat(40)}`;
  assert.deepEqual(mistakesOf(deep), [
    "f:2:36: nested too deeply, allowed: up to 32 brackets or dashes, or 200 columns",
  ]);
});

test("a text over the bound is refused before it is parsed", () => {
  assert.deepEqual(mistakesOf(" ".repeat(FULL + 1)), ["f:1:1: the file is too large, allowed: up to 256KiB"]);
  assert.deepEqual(mistakesOf(`#${" ".repeat(FULL - 1)}`), []);
});

test("aliases of aliases stand for no more than a hundred nodes", () => {
  const parameters = `&p { ${Array.from({ length: 30 }, (_, i) => `p${i}: &x { enum: [1] }`).join(", ")} }`;
  const commands = Array.from({ length: 30 }, (_, i) => `c${i}: { send: "", parameters: *p }`);
  const first = `  - { name: d, serial: { simulate: bench }, commands: &c { c: { send: "", parameters: ${parameters} }, ${commands.join(", ")} } }\n`;
  const more = Array.from(
    { length: 60 },
    (_, i) => `  - { name: d${i}, serial: { simulate: bench }, commands: *c }\n`,
  );
  const { mistakes } = check(`devices:\n${first}${more.join("")}`);
  assert.equal(mistakes.filter(({ message }) => message.includes("one alias too many")).length, 1);
});

test("an alias that stands for what it stands in is refused", () => {
  assert.deepEqual(mistakesOf("devices: &a [ *a ]\n"), [
    `f:1:15: devices[0] is a list, allowed: the keys ${DEVICE_KEYS}`,
  ]);
});
