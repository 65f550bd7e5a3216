import { FILES, type JsonObject, type JsonValue } from "../../protocol/index.ts";
import type { Client } from "../client.ts";

/** All entries of a folder on an agent, however many parts it takes to tell them. */
export async function listFolder(client: Client, path: string, signal: AbortSignal): Promise<JsonObject[]> {
  const entries: JsonObject[] = [];
  for (;;) {
    const after = entries.at(-1)?.name ?? "";
    const part = (await client.call("files.list", { path, after }, { signal })) as JsonValue[];
    entries.push(...(part as JsonObject[]));
    // One that goes while the folder is read leaves a gap, so only an empty part is the end of a long folder.
    if (part.length === 0 || entries.length < FILES.listed) return entries;
  }
}
