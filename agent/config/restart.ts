import type { Configuration } from "./configuration.ts";

/** The keys that differ and take effect only when the agent starts again. */
export function needsRestart(old: Configuration, next: Configuration): string[] {
  const listen = old.listen.host !== next.listen.host || old.listen.port !== next.listen.port;
  const root = old.files.root !== next.files.root;
  return [...(listen ? ["listen"] : []), ...(root ? ["files.root"] : [])];
}
