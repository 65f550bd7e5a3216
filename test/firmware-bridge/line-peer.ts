import assert from "node:assert/strict";
import { createDriver } from "../../firmware-bridge/drivers/index.ts";
import type {
  CommandProfile,
  DeviceProfile,
  DeviceResult,
  DeviceValue,
} from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/errors.ts";
import { benchProfile } from "./bench-profile.ts";

type Answers = (line: string) => string | Uint8Array;

/** A driver on a port that answers each line as `answers` says. */
export function attach(profile: DeviceProfile, answers: Answers) {
  const written: string[] = [];
  const values: [string, DeviceValue][] = [];
  const failures: [string, TetherError][] = [];
  const driver = createDriver(profile, {
    value: (name, value) => values.push([name, value]),
    failed: (name, error) => failures.push([name, error]),
    redescribed: () => {},
  });
  driver.attach({
    async write(bytes) {
      const text = Buffer.from(bytes).toString();
      written.push(text);
      queueMicrotask(() => driver.received(Buffer.from(answers(text))));
    },
  });
  return {
    driver,
    written,
    values,
    failures,
    async run(name: string, args: { readonly [name: string]: unknown } = {}): Promise<DeviceResult> {
      const command = driver.commands.find((candidate) => candidate.name === name);
      assert.ok(command, name);
      return await command.run(args, new AbortController().signal);
    },
    /** Has the device say something unasked. */
    say: (text: string) => driver.received(Buffer.from(text)),
    detach: () => driver.detach(new TetherError("device-missing", "unplugged")),
  };
}

/** A device with one command, `x`, and no readings but a button. */
export function profileOf(
  command: Partial<CommandProfile>,
  changes: Partial<DeviceProfile> = {},
): DeviceProfile {
  const commands = { x: { send: "X", parameters: {}, ...command } };
  return benchProfile({ kind: "simulate", what: "bench" }, { commands, ...changes });
}
