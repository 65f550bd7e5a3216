import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../controller/index.ts";
import { type AgentOptions, type AgentProcess, type Owner, startAgent } from "../agent-process.ts";

/** An agent with user procedures of its own. */
export interface ComputingAgent {
  readonly agent: AgentProcess;
  /** The folder of its procedures. */
  readonly folder: string;
  /** A connection of its own, which the owner ends. */
  connect(): ReturnType<typeof connect>;
  /** Writes a file of procedures as an editor does, beside it first. */
  write(name: string, text: string): void;
}

/** Starts and pairs an agent with these files of procedures, 64 MiB for each process unless `compute` says else. */
export async function startComputing(
  owner: Owner,
  files: { readonly [name: string]: string },
  { compute = {}, ...rest }: { readonly compute?: object; readonly [key: string]: unknown } = {},
  env: AgentOptions["env"] = {},
): Promise<ComputingAgent> {
  const folder = join(mkdtempSync(join(tmpdir(), "tether-procedures-")), "procedures");
  owner.after(() => rmSync(join(folder, ".."), { recursive: true, force: true }));
  mkdirSync(folder, { mode: 0o755 });
  const write = (name: string, text: string) => {
    const aside = join(folder, `.${name}.new`);
    writeFileSync(aside, text, { mode: 0o644 });
    renameSync(aside, join(folder, name));
  };
  for (const [name, text] of Object.entries(files)) write(name, text);
  const configuration = { ...rest, compute: { procedures: folder, memory: "64MiB", ...compute } };
  const agent = await startAgent(owner, { configuration, env });
  const home = await agent.pair();
  return {
    agent,
    folder,
    write,
    async connect() {
      const client = await connect("test-agent", { folder: home });
      owner.after(() => client.close());
      return client;
    },
  };
}

/** The text of a file of procedures: each member's value is its `run`, in JavaScript. */
export function procedureFile(runs: { readonly [name: string]: string }, parameters = "{}"): string {
  const members = Object.entries(runs).map(
    ([name, run]) =>
      `{ name: ${JSON.stringify(name)}, summary: "", parameters: ${parameters}, run: ${run} },\n`,
  );
  return `export const procedures = [\n${members.join("")}];\n`;
}
