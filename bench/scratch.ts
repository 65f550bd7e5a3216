import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newIdentityBundle } from "../protocol/index.ts";
import type { Cleanup } from "./worker.ts";

/** A temporary folder that is removed in the end. */
export async function scratchFolder(cleanup: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tether-bench-"));
  cleanup.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A file with an Ed25519 key and its certificate, of the kind that both sides of Tether have. */
export async function keyFile(cleanup: Cleanup): Promise<string> {
  const file = join(await scratchFolder(cleanup), "key.pem");
  await writeFile(file, newIdentityBundle("controller"), { mode: 0o600 });
  return file;
}
