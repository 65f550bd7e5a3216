import { TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { remoteArguments } from "../files/command.ts";
import { readFiles } from "../files/index.ts";
import { oneAgent } from "../on-agents.ts";

/** `tether cat`: the content of files on stdout. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 1, Number.POSITIVE_INFINITY);
  if (given.json) {
    throw new TetherError("usage", "the content of a file is no JSON document", { hint: "leave out --json" });
  }
  const { paths, context } = remoteArguments(given);
  const { folder, signal, stdout } = context;
  const client = await connect(oneAgent(context), { folder, signal });
  try {
    await readFiles(client, paths, stdout, signal);
    return 0;
  } finally {
    client.close();
  }
}
