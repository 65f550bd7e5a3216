import assert from "node:assert/strict";
import { test } from "node:test";
import { Places } from "../../agent/server/index.ts";
import { TetherError } from "../../protocol/index.ts";

test("who is refused for the address takes no place of all, and who goes gives both back", () => {
  const places = new Places({ connections: 2, connectionsPerAddress: 1, unpaired: 1 });
  const release = places.takePaired("192.0.2.1");
  assert.throws(
    () => places.takePaired("192.0.2.1"),
    (error) =>
      error instanceof TetherError && error.code === "limit" && /from 192\.0\.2\.1/.test(error.message),
  );
  assert.equal(places.paired, 1);

  const other = places.takePaired("192.0.2.2");
  assert.throws(
    () => places.takePaired("192.0.2.3"),
    (error) => error instanceof TetherError && /more than 2 connections$/.test(error.message),
  );
  other();
  release();
  release();
  assert.equal(places.paired, 0);
  places.takePaired("192.0.2.1");
});
