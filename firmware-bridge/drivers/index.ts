import { TetherError } from "../../protocol/errors.ts";
import type { DeviceProfile } from "../profile.ts";
import type { Driver, DriverFactory, ReadingSink } from "./driver.ts";
import { createFirmataDriver } from "./firmata/index.ts";
import { createFramesDriver } from "./frames/index.ts";
import { createGcodeDriver } from "./gcode/index.ts";
import { createLineDriver } from "./line.ts";
import { createMicroPythonDriver } from "./micropython/micropython.ts";
import { createModbusDriver } from "./modbus/index.ts";
import { createRawDriver } from "./raw.ts";

const FACTORIES: ReadonlyMap<string, DriverFactory> = new Map([
  ["line", createLineDriver],
  ["firmata", createFirmataDriver],
  ["micropython", createMicroPythonDriver],
  ["frames", createFramesDriver],
  ["modbus", createModbusDriver],
  ["gcode", createGcodeDriver],
  ["raw", createRawDriver],
]);

/** Names of the drivers that a configuration may use. */
export const DRIVERS: readonly string[] = [...FACTORIES.keys()];

/**
 * The driver that a profile names.
 *
 * @throws TetherError `invalid` when there is none of that name or the profile makes no sense to it.
 */
export function createDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  const factory = FACTORIES.get(profile.driver);
  if (!factory) {
    const allowed = DRIVERS.join(", ");
    throw new TetherError("invalid", `there is no driver "${profile.driver}"; allowed: ${allowed}`);
  }
  return factory(profile, readings);
}
