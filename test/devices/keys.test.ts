import assert from "node:assert/strict";
import { test } from "node:test";
import { Keys } from "../../controller/serial/keys.ts";

function acts(keys: Keys, typed: string): string[] {
  return keys
    .read(Buffer.from(typed, "latin1"))
    .map((act) =>
      act.kind === "send"
        ? `send ${act.bytes.toString("latin1")}`
        : act.kind === "baud"
          ? `baud ${act.rate}`
          : act.kind,
    );
}

test("keys: all go to the device but Ctrl-] and what follows Ctrl-T", () => {
  const keys = new Keys(() => Buffer.from("\r\n"));
  assert.deepEqual(acts(keys, "ab\x03\x1b[A\r"), ["send ab\x03\x1b[A\r\n"]);
  assert.deepEqual(acts(keys, "x\x1dy"), ["send x", "leave", "send y"]);
  assert.deepEqual(acts(keys, "\x14d\x14R\x14k\x14s\x14?"), ["dtr", "rts", "break", "state", "help"]);
  assert.deepEqual(acts(keys, "\x14"), []);
  assert.deepEqual(acts(keys, "\x14z"), ["send \x14z"], "Ctrl-T twice is one, wherever a piece ends");
  assert.deepEqual(acts(keys, "\x14\x1d"), ["send \x1d"]);
});

test("keys: a baud rate is typed in digits, and anything else gives it up", () => {
  const keys = new Keys(() => Buffer.from("\r"));
  assert.deepEqual(acts(keys, "\x14b9699"), ["echo", "echo", "echo", "echo", "echo"]);
  assert.deepEqual(acts(keys, "\x7f\x7f00\r"), ["echo", "echo", "echo", "echo", "baud 9600"]);
  assert.deepEqual(acts(keys, "\x14b\rz"), ["echo", "echo", "send z"]);
  assert.deepEqual(acts(keys, "\x14b12qz"), ["echo", "echo", "echo", "echo", "send z"]);
  assert.equal(acts(keys, "\x14b1234567890123\r").at(-1), "baud 12345678");
});
