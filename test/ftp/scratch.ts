import { randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Owner } from "../agent-process.ts";

/** A temporary folder that is removed in the end. */
export function scratchFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "tether-ftp-test-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a file of random bytes; gives its content. */
export function writeRandom(path: string, bytes: number): Buffer {
  const content = randomFillSync(Buffer.allocUnsafe(bytes));
  writeFileSync(path, content);
  return content;
}
