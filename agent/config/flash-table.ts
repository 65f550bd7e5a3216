import { FLASH_DEFAULTS, FLASH_TOOLS, type FlashSettings, RESETS } from "../../firmware-bridge/index.ts";
import { FLASH, SERIAL } from "../../protocol/index.ts";
import { present } from "./present.ts";
import { choice, durationKey, type Group, group, integer, optional, text } from "./shapes.ts";
import { absolutePath, usbNumber } from "./texts.ts";

/** A word that a tool is given; none is taken for an option. */
function toolWord(example: string) {
  return text({
    allowed: `up to 64 of A-Z a-z 0-9 _ . + -, the first a letter or digit, as ${example}`,
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$/,
    digits: true,
  });
}

/** How a board is flashed. */
export const FLASH_SECTION = {
  tool: optional(choice(FLASH_TOOLS), "by the file: .hex avrdude, .bin esptool, .uf2 picotool or uf2"),
  part: optional(toolWord("atmega328p"), "none: avrdude needs it"),
  programmer: optional(toolWord("arduino"), FLASH_DEFAULTS.programmer),
  chip: optional(toolWord("esp32s3"), FLASH_DEFAULTS.chip),
  address: optional(integer(0, 0xffff_ffff), "0 for a merged image, and with chip esp8266"),
  baudRate: optional(integer(SERIAL.slowest, SERIAL.fastest), "the tool's"),
  reset: optional(choice(RESETS), "touch with picotool, uf2 and programmer avr109, else none"),
  bootloader: optional(
    group({
      vendorId: optional(usbNumber(), "any"),
      productId: optional(usbNumber(), "any"),
      serialNumber: optional(text({ longest: 256, digits: true }), "any"),
    }),
    "the device's own port",
  ),
  drive: optional(absolutePath(), "the only one that is mounted"),
  program: optional(absolutePath(), "the system's"),
  timeout: durationKey(FLASH.shortestTimeout, FLASH.longestTimeout, FLASH_DEFAULTS.timeout),
};

/** What the file says of it. */
export type FlashDraft = Group<typeof FLASH_SECTION>;

/** The settings as flashing takes them. */
export function toFlash({ bootloader, timeout, ...rest }: FlashDraft): FlashSettings {
  return { timeout, ...present(rest), ...(bootloader !== undefined && { bootloader: present(bootloader) }) };
}
