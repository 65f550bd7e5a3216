import { TetherError } from "../../protocol/errors.ts";
import type { DeviceProfile } from "../profile.ts";
import type { Driver } from "./driver.ts";

/**
 * A port without a protocol: it is kept open and has neither commands nor readings.
 *
 * @throws TetherError `invalid` when the profile declares some.
 */
export function createRawDriver({ commands, readings }: DeviceProfile): Driver {
  const [declared] = [...Object.keys(commands), ...Object.keys(readings)];
  if (declared !== undefined) {
    throw new TetherError(
      "invalid",
      `driver raw has no commands and no readings, yet ${declared} is declared`,
    );
  }
  return { commands: [], attach() {}, received() {}, detach() {} };
}
