import { TetherError } from "../../protocol/errors.ts";
import type { DeviceProfile } from "../profile.ts";
import type { Driver } from "./driver.ts";
import { LineTalk } from "./line-talk.ts";

/**
 * A port without a protocol: it is kept open and has neither commands nor readings.
 *
 * @throws TetherError `invalid` when the profile declares some.
 */
export function createRawDriver({ name, commands, readings, line }: DeviceProfile): Driver {
  const [declared] = [...Object.keys(commands), ...Object.keys(readings)];
  if (declared !== undefined) {
    throw new TetherError(
      "invalid",
      `driver raw has no commands and no readings, yet ${declared} is declared`,
    );
  }
  let talk: LineTalk | undefined;
  return {
    commands: [],
    attach(port) {
      talk = new LineTalk({ terminator: line.terminator }, port);
    },
    async say(text, signal) {
      if (!talk) throw new TetherError("device-missing", `${name} is not connected`);
      return await talk.say(text, line, signal);
    },
    received(bytes) {
      talk?.received(bytes);
    },
    detach(reason) {
      talk?.end(reason);
      talk = undefined;
    },
  };
}
