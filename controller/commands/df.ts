import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { onAgents } from "../on-agents.ts";
import { sizeText } from "../render/size.ts";
import { table } from "../render/table.ts";

/** `tether df`: how much room there is for files. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 0, 1);
  const { context } = remoteArguments(given);
  return onAgents(context, {
    work: (client) => client.call("files.space", [], { signal: context.signal }),
    render(space) {
      const { quota, used, free, disk, leftovers } = space as JsonObject;
      const { total, free: diskFree } = disk as JsonObject;
      const { files: parts, bytes: partBytes } = leftovers as JsonObject;
      const broken =
        parts === 0 ? [] : [[`${parts} broken`, "", sizeText(Number(partBytes)), "makes room when needed"]];
      return table(
        ["", "SIZE", "USED", "FREE"],
        [
          ["files", ...[quota, used, free].map((bytes) => sizeText(Number(bytes)))],
          [
            "disk",
            ...[total, Number(total) - Number(diskFree), diskFree].map((bytes) => sizeText(Number(bytes))),
          ],
          ...broken,
        ],
      );
    },
  });
}
