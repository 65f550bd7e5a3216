import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A fresh folder that is this user's alone, gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "tether-identity-"));
  chmodSync(path, 0o700);
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** For assert.throws and assert.rejects: a TetherError of this code whose message and hint fit. */
export function tetherError(code: string, message: RegExp, hint?: RegExp): object {
  const shape = { name: "TetherError", code, message };
  return hint === undefined ? shape : { ...shape, hint };
}
