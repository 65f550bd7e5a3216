import { TetherError } from "../../protocol/errors.ts";
import type { Image } from "./image.ts";
import { percentages } from "./percentages.ts";
import type { FlashSettings } from "./settings.ts";
import type { ToolProgram } from "./tool.ts";

/** What picotool is told that a file is. */
const TYPES: { readonly [kind: string]: string } = { uf2: "uf2", elf: "elf", bin: "bin" };

/** How picotool is run: it finds the board on USB, writes, verifies, and starts the program. */
export function picotool({ program }: FlashSettings, { kind, name }: Image): ToolProgram {
  const type = TYPES[kind];
  if (type === undefined) {
    throw new TetherError("invalid", `${name}: picotool takes .uf2, .elf and .bin, and no .${kind}`);
  }
  return {
    names: program === undefined ? ["picotool"] : [program],
    package: "picotool",
    needsPort: false,
    args: (_port, file) => ["load", "-v", "-x", file, "-t", type],
    // "Loading into Flash: [=====     ]  50%", then "Verifying Flash: [=====     ]  50%".
    progress: () => percentages(/(Loading|Verifying)[^[\r\n]*\[[^\]]*\] *(\d{1,3})%/gi),
  };
}
