import { TetherError } from "../../protocol/errors.ts";
import type { Image, ImageKind } from "./image.ts";
import { FLASH_DEFAULTS, type FlashSettings } from "./settings.ts";
import type { FlashProgress, ProgressReader, ToolProgram } from "./tool.ts";

/** What avrdude calls the formats (avrdude(1), -U). */
const FORMATS: { readonly [kind in ImageKind]?: string } = { hex: "i", elf: "e", bin: "r" };

/** Bootloaders, which erase each page as they write it and know no erasing of the whole chip. */
const BOOTLOADERS: readonly string[] = ["arduino", "wiring", "avr109", "butterfly", "urclock"];
/** Those of boards whose USB port is the program's own, and which wait for a touch of it. */
const TOUCHED: readonly string[] = ["avr109"];

/** What avrdude resets by itself does not need us. */
export function avrdudeReset({ programmer = FLASH_DEFAULTS.programmer }: FlashSettings): "touch" | "none" {
  return TOUCHED.includes(programmer) ? "touch" : "none";
}

/** How avrdude is run. Throws TetherError `invalid` where it takes no such file, or the chip is not named. */
export function avrdude(settings: FlashSettings, { kind, name }: Image, device: string): ToolProgram {
  const { part, programmer = FLASH_DEFAULTS.programmer, baudRate, program } = settings;
  const format = FORMATS[kind];
  if (format === undefined) {
    throw new TetherError("invalid", `${name}: avrdude takes .hex, .elf and .bin, and no .${kind}`);
  }
  if (part === undefined) {
    throw new TetherError("invalid", `avrdude has to be told which chip ${device} has`, {
      hint: `say it in the configuration, as \`flash: { part: atmega328p }\` of ${device}`,
    });
  }
  return {
    names: program === undefined ? ["avrdude"] : [program],
    package: "avrdude",
    needsPort: true,
    args: (port, file) => [
      ...["-p", part, "-c", programmer, "-P", port],
      ...(baudRate === undefined ? [] : ["-b", String(baudRate)]),
      ...(BOOTLOADERS.includes(programmer) ? ["-D"] : []),
      ...["-U", `flash:w:${file}:${format}`],
    ],
    progress: avrdudeProgress,
  };
}

/** Where avrdude's output is no terminal, a step is its name, a bar, and one `#` for two percent. */
function avrdudeProgress(): ProgressReader {
  let rest = "";
  let step: string | undefined;
  let written = false;
  let marks = 0;
  return (text) => {
    let now: FlashProgress | undefined;
    for (const character of text) {
      if (character === "\n" || character === "\r") {
        rest = "";
        step = undefined;
      } else if (step === undefined) {
        rest = `${rest}${character}`.slice(-40);
        const [, name] = /^(Reading|Writing|Verifying|Erasing) *\| $/.exec(rest) ?? [];
        if (name === undefined) continue;
        if (name === "Writing") written = true;
        step = name === "Reading" && written ? "verifying" : name.toLowerCase();
        marks = 0;
        now = { step, percent: 0 };
      } else if (character === "#") {
        marks += 1;
        now = { step, percent: Math.min(100, marks * 2) };
      }
    }
    return now;
  };
}
