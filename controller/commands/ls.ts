import { FILES, type JsonObject, type JsonValue } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { Client } from "../client.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { onAgents } from "../on-agents.ts";
import { table } from "../render/table.ts";

const KINDS: { readonly [type: string]: string } = { file: "-", directory: "d", symlink: "l" };

/** `tether ls`: the entries of a folder. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 0, 1);
  const { paths, context } = remoteArguments(given);
  const { signal } = context;
  return onAgents(context, {
    work: (client) => listFolder(client, paths[0] || "/", signal),
    render: (entries) => listing(entries as JsonObject[]),
  });
}

/** All entries of a folder, however many parts it takes to tell them. */
async function listFolder(client: Client, path: string, signal: AbortSignal): Promise<JsonValue[]> {
  const entries: JsonValue[] = [];
  for (;;) {
    const last = entries.at(-1) as JsonObject | undefined;
    const part = (await client.call(
      "files.list",
      { path, after: last?.name ?? "" },
      { signal },
    )) as JsonValue[];
    entries.push(...part);
    // One that goes while the folder is read leaves a gap, so only an empty part is the end of a long folder.
    if (part.length === 0 || entries.length < FILES.listed) return entries;
  }
}

/** Entries as `ls -l` shows them. */
export function listing(entries: readonly JsonObject[]): string {
  const width = Math.max(0, ...entries.map(({ size }) => String(size).length));
  return table(
    undefined,
    entries.map(({ name, type, size, modified, mode }) => [
      `${KINDS[String(type)] ?? "?"}${String(mode)}`,
      String(size).padStart(width),
      String(modified).slice(0, 19).replace("T", " "),
      type === "directory" ? `${String(name)}/` : String(name),
    ]),
  );
}
