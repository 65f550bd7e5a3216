import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { everyKey } from "../../agent/config/table.ts";
import { EXAMPLE } from "./surroundings.ts";

interface Row {
  readonly kinds: string;
  readonly allowed: string;
  readonly default: string;
}

/** The rows of the reference by the path of their key, of gateways for each kind. */
function documented(): Map<string, Row> {
  const rows = new Map<string, Row>();
  const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  let section = "";
  for (const line of text.split("\n")) {
    const heading = /^##+ (.*)$/.exec(line)?.[1];
    if (heading !== undefined) section = /^`(.*)`$/.exec(heading)?.[1] ?? "";
    const cells = line.split(" | ").map((cell) => cell.replaceAll(/^\| | \|$|`/g, ""));
    if (!line.startsWith("| `") || cells[0] === undefined) continue;
    const allowed = cells.at(-2) ?? "";
    const row = { kinds: cells.length === 5 ? (cells[1] ?? "") : "", allowed, default: cells.at(-1) ?? "" };
    const name = `${section === "" ? "" : `${section}.`}${cells[0]}`;
    const kinds = row.kinds === "all" ? [...KINDS] : row.kinds.split(" ");
    for (const kind of kinds) {
      rows.set(kind === "" ? name : name.replace("gateways[]", `gateways[](${kind})`), row);
    }
  }
  return rows;
}

const KINDS = new Set(everyKey().flatMap(({ path }) => /\((\w+)\)/.exec(path)?.[1] ?? []));

test("the reference has every key with what is allowed and its default, and no other", () => {
  const rows = documented();
  assert.ok(everyKey().length > 100);
  for (const key of everyKey()) {
    const row = rows.get(key.path);
    assert.ok(row !== undefined, `${key.path} is not in docs/configuration.md`);
    assert.equal(row.allowed, key.allowed, key.path);
    assert.equal(row.default, key.default, key.path);
  }
  const known = new Set(everyKey().map(({ path }) => path));
  assert.deepEqual(
    [...rows.keys()].filter((path) => !known.has(path)),
    [],
  );
});

test("the example names every key of the top level", () => {
  const top = everyKey().filter(({ path }) => !/[.[]/.test(path));
  assert.ok(top.length >= 10);
  for (const { path } of top) assert.match(EXAMPLE, new RegExp(`^${path}:`, "m"));
});
