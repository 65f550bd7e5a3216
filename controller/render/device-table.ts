import type { JsonObject } from "../../protocol/index.ts";
import { table } from "./table.ts";

/** The devices of `devices.list` in columns. */
export function deviceTable(devices: readonly JsonObject[]): string {
  return table(
    ["NAME", "DRIVER", "STATE", "PATH", "COMMANDS", "READINGS"],
    devices.map(({ name, driver, state, path, commands, readings }) => [
      String(name),
      String(driver),
      String(state),
      path === null ? "" : String(path),
      (commands as string[]).join(","),
      (readings as string[]).join(","),
    ]),
  );
}
