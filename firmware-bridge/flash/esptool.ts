import { TetherError } from "../../protocol/errors.ts";
import { espAddress, type Image } from "./image.ts";
import { percentages } from "./percentages.ts";
import { FLASH_DEFAULTS, type FlashSettings } from "./settings.ts";
import type { ToolProgram } from "./tool.ts";

/** How esptool is run. Throws TetherError `invalid` where it takes no such file, or nothing says where it goes. */
export function esptool(settings: FlashSettings, image: Image, device: string): ToolProgram {
  const { chip = FLASH_DEFAULTS.chip, baudRate, reset = "none", program } = settings;
  if (image.kind !== "bin") {
    throw new TetherError("invalid", `${image.name}: esptool takes .bin, and no .${image.kind}`);
  }
  const address = settings.address ?? espAddress(image, chip);
  if (address === undefined) {
    throw new TetherError("invalid", `nothing says where in the chip's memory ${image.name} goes`, {
      hint: `say it in the configuration, as \`flash: { address: 0x10000 }\` of ${device}, or flash a merged image`,
    });
  }
  return {
    names: program === undefined ? ["esptool", "esptool.py"] : [program],
    package: "esptool",
    needsPort: true,
    args: (port, file) => [
      ...["--chip", chip, "--port", port],
      ...(baudRate === undefined ? [] : ["--baud", String(baudRate)]),
      // Where the agent has reset the board, another reset would start its program.
      ...(reset === "none" ? [] : ["--before", "no_reset"]),
      ...["write_flash", `0x${address.toString(16)}`, file],
    ],
    // "Writing at 0x00010000... (12 %)" up to version 4, "Writing at 0x00010000 [==>   ]  12.3% …" later.
    progress: () => percentages(/(Writing|Verifying|Erasing)[^%\r\n]*?(\d{1,3})(?:\.\d+)? ?%/gi),
  };
}
