import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteWord, readWords, splitWords } from "../../controller/shell/words.ts";

const LINES: readonly (readonly [string, readonly string[]])[] = [
  ["", []],
  ["  ls  ", ["ls"]],
  ["put a b", ["put", "a", "b"]],
  ["get 'my file' here", ["get", "my file", "here"]],
  ['get "my file" here', ["get", "my file", "here"]],
  ["get my\\ file", ["get", "my file"]],
  ["call text.upper it\\'s", ["call", "text.upper", "it's"]],
  ["call text.echo '{\"a\": 1}'", ["call", "text.echo", '{"a": 1}']],
  ["rm ''", ["rm", ""]],
  ["rm a''b", ["rm", "ab"]],
  ["rm '\\'", ["rm", "\\"]],
  ["rm größe", ["rm", "größe"]],
];

test("a line is split as a shell splits it", () => {
  for (const [line, words] of LINES) assert.deepEqual(readWords(line), words, line);
});

test("an open quote is refused, and known while typing", () => {
  assert.throws(() => readWords("get 'my file"), { code: "usage" });
  assert.deepEqual(splitWords("get 'my fi").at(-1), { text: "my fi", start: 4, open: "'" });
});

test("a quoted word reads back as itself, with whatever quote it was begun", () => {
  const texts = [
    "plain",
    "two words",
    "it's",
    'say "hi"',
    "back\\slash",
    "",
    "tab\there",
    "ü 'both\" kinds'",
  ];
  for (const text of texts) {
    for (const quote of [undefined, '"', "'"] as const) {
      assert.deepEqual(readWords(quoteWord(text, quote)), [text], `${text} in ${quote}`);
    }
  }
});
