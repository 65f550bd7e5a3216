import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentProcess } from "../agent-process.ts";

/** Letters of a secret that give it away. */
const TELLING = 8;

/**
 * Asserts that nothing of what an agent has written holds a code, or key material of its own or of one of the
 * controllers in its folder.
 */
export function assertNoSecrets(agent: AgentProcess, codes: readonly string[]): void {
  const written = agent.log.map((line) => JSON.stringify(line)).join("\n") + agent.stderr;
  const secrets = codes.flatMap((code) => [code, code.replaceAll("-", "")]);
  const homes = readdirSync(agent.folder).filter((name) => name.startsWith("home-"));
  for (const folder of ["state", ...homes]) {
    const file = join(agent.folder, folder, "key.pem");
    if (!existsSync(file)) continue;
    // What is before the key's own 32 bytes is the same for every key (RFC 8410).
    const body = readFileSync(file, "utf8").split("\n")[1] ?? "";
    assert.equal(body.length, 64, file);
    const key = Buffer.from(body, "base64").subarray(-32);
    secrets.push(body.slice(-2 * TELLING), key.toString("hex"), key.toString("base64").slice(0, 4 * TELLING));
  }
  for (const secret of secrets) {
    assert.ok(secret.length >= TELLING);
    assert.ok(!written.toLowerCase().includes(secret.toLowerCase()), `the log holds the secret ${secret}`);
  }
}
