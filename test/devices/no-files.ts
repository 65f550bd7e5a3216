import type { CommandFiles } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/index.ts";

/** The files of an agent that has none. */
export const NO_FILES: CommandFiles = {
  open: async (path) => {
    throw new TetherError("not-found", `there is no ${path}`);
  },
  save: async () => {
    throw new TetherError("forbidden", "nothing may be written here");
  },
};
