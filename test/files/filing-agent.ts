import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "../../controller/client.ts";
import { connect } from "../../controller/index.ts";
import { type AgentProcess, type Owner, startAgent } from "../agent-process.ts";

/** A real agent, its files' root, and a connection to it. */
export interface FilingAgent {
  readonly agent: AgentProcess;
  readonly root: string;
  readonly home: string;
  readonly client: Client;
  /** A folder beside the root, for what is on this side. */
  readonly here: string;
}

/** Starts an agent with an empty root. */
export async function startFilingAgent(
  owner: Owner,
  options: { readonly quota?: string; readonly role?: string } = {},
): Promise<FilingAgent> {
  const { quota = "8GiB", role = "admin" } = options;
  const agent = await startAgent(owner, { configuration: { files: { quota } } });
  const home = await agent.pair(agent.makeHome(), { role });
  const client = await connect(`127.0.0.1:${agent.port}`, { folder: home });
  owner.after(() => client.close());
  const here = join(agent.folder, "here");
  mkdirSync(here);
  return { agent, root: join(agent.statePath, "files"), home, client, here };
}

/** Everything in a folder, as one text: names, kinds, contents, modes. */
export function snapshot(folder: string): string {
  const lines: string[] = [];
  const look = (path: string, shown: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const inner = join(path, entry.name);
      const name = `${shown}/${entry.name}`;
      if (entry.isSymbolicLink()) lines.push(`${name} -> ${readlinkSync(inner)}`);
      else if (entry.isDirectory()) {
        lines.push(`${name}/ ${statSync(inner).mode}`);
        look(inner, name);
      } else {
        lines.push(`${name} ${statSync(inner).mode} ${readFileSync(inner).toString("base64")}`);
      }
    }
  };
  look(folder, "");
  return lines.join("\n");
}

/** Descriptors that a process has open. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((number) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${number}`)];
    } catch {
      return [];
    }
  });
}

/** What a whole suite owns; its `after` hook undoes it, last to first. */
export class SuiteOwner implements Owner {
  readonly #actions: (() => unknown)[] = [];

  after(action: () => unknown): void {
    this.#actions.push(action);
  }

  async undo(): Promise<void> {
    for (let action = this.#actions.pop(); action !== undefined; action = this.#actions.pop()) await action();
  }
}
