import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { PYTHON } from "../peers.ts";

/** Runs a few lines of Python with these arguments; gives what they print, throws when they fail. */
export async function python(program: string, ...args: readonly (string | number)[]): Promise<string> {
  const child = spawn(PYTHON, ["-c", program, ...args.map(String)], { timeout: 60_000 });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  if (code !== 0) throw new Error(`Python ended with ${code}: ${stderr}`);
  return stdout;
}
