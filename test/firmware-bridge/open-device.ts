import type { TestContext } from "node:test";
import {
  Device,
  type DeviceProfile,
  type DeviceResult,
  type DeviceState,
} from "../../firmware-bridge/index.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { until } from "./until.ts";

/** A device that is stopped when the test ends; its log goes nowhere. */
export function createDevice(t: TestContext, profile: DeviceProfile, port?: Port): Device {
  const log = { info() {}, warn() {} };
  const device = new Device(profile, { log, now: () => Date.now(), ...(port ? { port } : {}) });
  t.after(() => device.stop());
  return device;
}

/** Calls a command by name, as the registry does. */
export async function call(
  device: Device,
  name: string,
  args: { readonly [name: string]: unknown } = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<DeviceResult> {
  const command = device.commands.find((candidate) => candidate.name === name);
  if (!command) throw new Error(`the test's profile has no command ${name}`);
  return await command.run(args, signal);
}

/** Resolves when the device is in a state. */
export async function reached(device: Device, state: DeviceState, bound?: number): Promise<void> {
  await until(() => device.state === state, `${state} (it is ${device.state})`, bound);
}
