import { VERSION } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";

/** `tether version`. */
export async function run(context: CommandContext): Promise<number> {
  context.stdout.write(context.json ? `${JSON.stringify({ version: VERSION })}\n` : `tether ${VERSION}\n`);
  return 0;
}
