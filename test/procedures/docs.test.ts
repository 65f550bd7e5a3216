import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asTetherError, type JsonValue, parseJson, writeJson } from "../../protocol/index.ts";
import { builtinRegistry, contextOf } from "./calling.ts";

const page = readFileSync(new URL("../../docs/procedures.md", import.meta.url), "utf8");

test("the page's examples give what the page says", async () => {
  const registry = builtinRegistry();
  const examples = [...page.matchAll(/^\$ tether call (.*)\n(.*)$/gm)];
  assert.ok(examples.length > 15, String(examples.length));
  for (const [, command = "", output] of examples) {
    const [name = "", ...params] = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, bare]) => quoted ?? bare ?? "",
    );
    assert.equal(
      await printed(() => registry.call(name, params.map(argument), contextOf())),
      output,
      command,
    );
  }
});

test("the page names every built-in procedure", () => {
  for (const { name } of builtinRegistry().list()) assert.ok(page.includes(name), name);
});

function argument(word: string): JsonValue {
  try {
    return parseJson(word);
  } catch {
    return word;
  }
}

async function printed(work: () => JsonValue | Promise<JsonValue>): Promise<string> {
  try {
    const value = await work();
    return typeof value === "string" ? value : writeJson(value);
  } catch (error) {
    const { message } = asTetherError(error);
    return `tether: ${message}`;
  }
}
