import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../controller/client.ts";
import { withReconnect } from "../../controller/files/index.ts";
import { TetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";

test("the seconds of a transfer are those of all its attempts and of the waits between them", async () => {
  let attempts = 0;
  let connections = 0;
  const outcome = await withReconnect(
    {
      connect: () => {
        connections++;
        // The second try finds nobody, and the next is a pause later.
        if (connections === 2) return Promise.reject(new TetherError("unreachable", "nobody there"));
        return Promise.resolve({ close: () => undefined } as Client);
      },
      progress: new Progress(),
      signal: new AbortController().signal,
    },
    async () => {
      attempts++;
      if (attempts === 1) throw new TetherError("unreachable", "the connection is gone");
      return { files: 1, seconds: 0 };
    },
  );
  assert.equal(attempts, 2);
  assert.equal(outcome.files, 1);
  assert.ok(outcome.seconds >= 0.2, `${outcome.seconds} s`);
});
