import { type AgentProcess, succeeded } from "../agent-process.ts";

/** What `tetherd pair --json` prints. */
export interface Issued {
  readonly code: string;
  readonly role: string;
  readonly expiresAt: string;
  readonly command: string;
}

/** Makes a code with `tetherd pair`. */
export async function issueCode(agent: AgentProcess, ...options: string[]): Promise<Issued> {
  return JSON.parse(succeeded(await agent.tetherd(["pair", "--json", ...options])).stdout) as Issued;
}

/** The error object that a program writes to stderr with `--json`. */
export function errorIn(stderr: string): { code: string; message: string; hint?: string } {
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string; hint?: string } };
  return error;
}
