import { existsSync, readFileSync } from "node:fs";
import { type AgentProcess, type Owner, startAgent } from "../agent-process.ts";

/** What a board answers to the one line that it knows. */
export function pong(line: string): string {
  return line === "PING" ? "PONG\n" : "";
}

/** An agent with the device `bench` at a path, and the home of its admin. */
export async function agentAt(t: Owner, path: string): Promise<{ agent: AgentProcess; home: string }> {
  const agent = await startAgent(t, { configuration: { devices: [benchAt(path)] } });
  return { agent, home: await agent.pair() };
}

/** The device `bench` in a configuration. */
export function benchAt(path: string) {
  return { name: "bench", serial: { path }, commands: { ping: { send: "PING", expect: "^PONG" } } };
}

/** What passed, by a recording, a line each; throws where one has no right time. */
export function passed(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as { time: string; from?: string; text?: string; base64?: string })
    .filter(({ text, base64 }) => text !== undefined || base64 !== undefined)
    .map(({ time, from, text, base64 }) => {
      if (new Date(time).toISOString() !== time) throw new Error(`the time ${time}`);
      return `${from}: ${text ?? base64}`;
    });
}
