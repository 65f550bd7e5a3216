import { TetherError } from "../../protocol/index.ts";
import { PACKING_MODES, type PackingMode } from "../../transfer/index.ts";
import type { CommandContext } from "../command-context.ts";
import { commonAgent, type RemotePath, toRemotePath } from "../remote-path.ts";

/** The context of a verb whose paths name the agent: as if `-a AGENT` had been given. */
export function contextFor(paths: readonly RemotePath[], context: CommandContext): CommandContext {
  const agent = commonAgent(paths);
  if (agent === undefined) return context;
  const { options } = context;
  if (options.has("all") || options.has("tag")) {
    throw new TetherError("usage", `the path names the agent ${agent}, and --all or --tag others`, {
      hint: "write :PATH for the same path on each of them",
    });
  }
  return {
    ...context,
    options: {
      has: (name) => options.has(name),
      get: (name) => (name === "agent" ? agent : options.get(name)),
      all: (name) => (name === "agent" ? [agent] : options.all(name)),
    },
  };
}

/** The arguments of a verb that knows only remote paths, and the context for their agent. */
export function remoteArguments(
  context: CommandContext,
  texts: readonly string[] = context.args,
): { readonly paths: readonly string[]; readonly context: CommandContext } {
  const remote = texts.map(toRemotePath);
  return { paths: remote.map(({ path }) => path), context: contextFor(remote, context) };
}

/** What `--compress` says; `auto` unless given. Throws `usage` for anything else. */
export function compressMode({ options, usage }: CommandContext): PackingMode {
  const text = options.get("compress") ?? "auto";
  const mode = PACKING_MODES.find((each) => each === text);
  if (mode !== undefined) return mode;
  throw new TetherError("usage", `--compress ${text}; allowed: ${PACKING_MODES.join(", ")}`, {
    hint: `usage: ${usage}`,
  });
}
