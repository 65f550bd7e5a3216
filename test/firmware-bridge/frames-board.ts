import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Owner } from "../agent-process.ts";

const run = promisify(execFile);
const LIBRARY = join(import.meta.dirname, "../../firmware-bridge/firmware/frames");

/**
 * Builds the C library of frames as a program that speaks on its stdin and stdout, with sanitizers; gives its path.
 * Needs the peer `simavr`, for its gcc.
 */
export async function buildFramesBoard(owner: Owner): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tether-frames-"));
  owner.after(() => rm(folder, { recursive: true }));
  const program = join(folder, "board");
  const source = join(import.meta.dirname, "frames-board.c");
  const flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fsanitize=address,undefined"];
  const library = [`-I${LIBRARY}`, join(LIBRARY, "tether_frames.c")];
  await run("gcc", [...flags, "-DTETHER_PAYLOAD=252", "-o", program, source, ...library]);
  return program;
}
