import { readFileSync } from "node:fs";
import { DEVICE } from "../../agent/config/device-table.ts";
import { type Checked, checkConfiguration, formatMistake } from "../../agent/config/index.ts";

export const KNOWN = { drivers: ["line", "raw"], simulations: ["bench"] } as const;

/** The keys of a device, as messages list them. */
export const DEVICE_KEYS = Object.keys(DEVICE).join(" ");

const SURROUNDINGS = { stateFolder: "/var/lib/tether", hostName: "pi" } as const;

/** Every key of the configuration once. */
export const EXAMPLE = readFileSync(new URL("example.yaml", import.meta.url), "utf8");

export function check(text: string): Checked {
  return checkConfiguration(text, KNOWN, SURROUNDINGS);
}

/** The mistakes of a text as `f:LINE:COLUMN: message`. */
export function mistakesOf(text: string): string[] {
  return check(text).mistakes.map((mistake) => formatMistake("f", mistake));
}
