import { TetherError } from "../protocol/index.ts";

/** A path on an agent. */
export interface RemotePath {
  /** Undefined: the agent that the command line or the environment names, else the default one. */
  readonly agent: string | undefined;
  readonly path: string;
}

/**
 * Reads `AGENT:PATH` or `:PATH`, where AGENT may be `HOST:PORT` and an IPv6 address stands in brackets. As in
 * scp, a colon after the first slash belongs to a local path, and so does the one of a Windows drive.
 *
 * Gives undefined for a local path.
 */
export function parseRemotePath(
  text: string,
  platform: NodeJS.Platform = process.platform,
): RemotePath | undefined {
  const match = /^(?<agent>\[[^\]/]*\](?::\d{1,5})?|[^:/[]*(?::\d{1,5}(?=:))?):(?<path>.*)$/s.exec(text);
  if (match?.groups === undefined) return undefined;
  const { agent = "", path = "" } = match.groups;
  if (platform === "win32" && /^[A-Za-z]$/.test(agent)) return undefined;
  return { agent: agent === "" ? undefined : agent, path };
}

/** A path that can only be remote: with its agent, or without. */
export function toRemotePath(text: string): RemotePath {
  return parseRemotePath(text, "linux") ?? { agent: undefined, path: text };
}

/** The one agent that all these paths are on. Throws `usage` when they are on several. */
export function commonAgent(paths: readonly RemotePath[]): string | undefined {
  const agents = [...new Set(paths.map(({ agent }) => agent))];
  if (agents.length <= 1) return agents[0];
  throw new TetherError("usage", "one command works with the files of one agent", {
    hint: "use the command once for each agent",
  });
}
