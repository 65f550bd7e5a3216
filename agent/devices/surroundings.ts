import type { CommandFiles, CommandSurroundings } from "../../firmware-bridge/index.ts";
import { COMPUTE } from "../../protocol/index.ts";
import type { CallContext } from "../procedures/index.ts";

/** What a device's command has around it in a call; progress is passed on no faster than anybody can look. */
export function surroundingsOf({ caller, outlet }: CallContext, files: CommandFiles): CommandSurroundings {
  let reported = Number.NEGATIVE_INFINITY;
  return {
    caller: caller.label,
    files,
    progress: ({ done, total, note }) => {
      const now = performance.now();
      if (now - reported < COMPUTE.progressInterval && done !== total) return;
      reported = now;
      outlet?.onProgress?.({
        done,
        ...(total !== undefined && { total }),
        ...(note !== undefined && { note: note.slice(0, COMPUTE.noteLength) }),
      });
    },
  };
}
