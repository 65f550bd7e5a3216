import { asTetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { oneAgent } from "../on-agents.ts";
import { plain } from "../render/table.ts";
import { RecordingFile, recordPort } from "../serial/index.ts";

/** `tether serial record`: what passes on a port, in both directions, to a file, until Ctrl-C. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 2);
  const [port = "", path = ""] = context.args;
  const { folder, signal, stderr } = context;
  const agent = oneAgent(context);
  const file = new RecordingFile(path, { append: false });
  try {
    const note = (text: string) => void stderr.write(`tether: ${plain(text)}\n`);
    return await recordPort({ agent, folder, port, file, note, signal });
  } catch (thrown) {
    const error = asTetherError(thrown);
    // Ctrl-C is how one ends it.
    if (error.code === "cancelled" && signal.aborted) return 0;
    throw error;
  } finally {
    file.close();
  }
}
