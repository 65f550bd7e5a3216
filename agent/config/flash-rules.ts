import { FLASH_TOOLS, TOOL_KEYS } from "../../firmware-bridge/index.ts";
import type { FlashDraft } from "./flash-table.ts";
import type { Reading } from "./reading.ts";

/** Checks what holds between the keys of how a board is flashed. */
export function checkFlash({ tool, bootloader }: FlashDraft, path: string, reading: Reading): void {
  if (bootloader !== undefined && Object.values(bootloader).every((value) => value === undefined)) {
    const allowed = `at least one of ${Object.keys(bootloader).join(" ")}`;
    reading.mistake(`${path}.bootloader`, `would match every port, allowed: ${allowed}`);
  }
  if (tool === undefined) return;
  for (const other of FLASH_TOOLS) {
    if (other === tool) continue;
    for (const key of TOOL_KEYS[other]) {
      if (!reading.has(`${path}.${key}`)) continue;
      reading.mistake(`${path}.${key}`, `does not go with tool ${tool}, allowed: tool ${other}`, "key");
    }
  }
}
