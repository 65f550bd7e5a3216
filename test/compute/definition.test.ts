import assert from "node:assert/strict";
import { test } from "node:test";
// The package's own name, as authors write it.
import { procedure } from "tether/procedure";

test("procedure() gives its definition back, and the arguments their types", () => {
  const definition = {
    name: "types.all",
    summary: "",
    parameters: {
      count: { type: "integer", default: 1 },
      mode: { enum: ["on", "off"] },
      words: { type: "array", items: { type: "string" } },
      anything: {},
    },
    run: () => null,
  } as const;
  assert.equal(procedure(definition), definition);
  // What the compiler makes of it is checked when the sources are.
  procedure({
    ...definition,
    async run({ count, mode, words, anything }, { devices, progress, signal }) {
      const sum: number = count;
      const exact: "on" | "off" = mode;
      const first: string | undefined = words[0];
      // @ts-expect-error a number is no text
      const text: string = count;
      progress({ done: sum, note: `${exact}${first}${text}${anything}` });
      signal.throwIfAborted();
      return await devices.bench?.led?.(1);
    },
  });
  // @ts-expect-error a role that does not exist
  procedure({ ...definition, role: "root" });
});
