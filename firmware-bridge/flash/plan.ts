import { TetherError } from "../../protocol/errors.ts";
import { avrdude, avrdudeReset } from "./avrdude.ts";
import { esptool } from "./esptool.ts";
import type { Image, ImageKind } from "./image.ts";
import { picotool } from "./picotool.ts";
import type { FlashSettings, FlashToolName } from "./settings.ts";
import type { FlashPlan } from "./tool.ts";

/** Which tools a file is for where the configuration names none, in the order in which they are tried. */
const GUESSES: { readonly [kind in ImageKind]: readonly FlashToolName[] } = {
  hex: ["avrdude"],
  bin: ["esptool"],
  uf2: ["picotool", "uf2"],
  elf: [],
};

/**
 * The ways to flash a file, the best first; the first whose program is there is taken.
 *
 * @param device its name, for messages
 * @throws TetherError `invalid`, what is missing and how to say it, or that the tool takes no such file
 */
export function planFlash(settings: FlashSettings, image: Image, device: string): readonly FlashPlan[] {
  const tools = settings.tool === undefined ? guess(settings, image, device) : [settings.tool];
  return tools.map((tool) => PLANS[tool](settings, image, device));
}

const PLANS: {
  readonly [tool in FlashToolName]: (settings: FlashSettings, image: Image, device: string) => FlashPlan;
} = {
  avrdude: (settings, image, device) => ({
    tool: "avrdude",
    reset: settings.reset ?? avrdudeReset(settings),
    program: avrdude(settings, image, device),
  }),
  esptool: (settings, image, device) => ({
    tool: "esptool",
    reset: settings.reset ?? "none",
    program: esptool(settings, image, device),
  }),
  picotool: (settings, image) => ({
    tool: "picotool",
    reset: settings.reset ?? "touch",
    program: picotool(settings, image),
  }),
  uf2: ({ reset = "touch" }, { kind, name }) => {
    if (kind === "uf2") return { tool: "uf2", reset };
    throw new TetherError("invalid", `${name}: the drive of a board takes .uf2, and no .${kind}`);
  },
};

function guess({ drive }: FlashSettings, { kind, name }: Image, device: string): readonly FlashToolName[] {
  if (kind === "uf2" && drive !== undefined) return ["uf2"];
  const tools = GUESSES[kind];
  if (tools.length > 0) return tools;
  throw new TetherError("invalid", `nothing says which tool is to flash ${name}`, {
    hint: `say it in the configuration, as \`flash: { tool: avrdude }\` of ${device}`,
  });
}
