import assert from "node:assert/strict";
import { test } from "node:test";
import { createDriver } from "../../firmware-bridge/drivers/index.ts";
import type { DeviceProfile } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/errors.ts";
import { benchProfile } from "./bench-profile.ts";
import { modbusProfile } from "./modbus-server.ts";

const registers = {
  polled: {
    unitId: 1,
    table: "holding",
    address: 0,
    type: "uint16",
    scale: 1,
    offset: 0,
    byteOrder: "big",
    wordOrder: "big",
    writable: false,
    every: 10_000,
  },
} as const;

const PROFILES: readonly DeviceProfile[] = [
  modbusProfile("/dev/null", { registers }),
  { ...benchProfile({ kind: "simulate", what: "bench" }), driver: "frames", commands: {}, readings: {} },
];

for (const profile of PROFILES) {
  test(`${profile.driver}: unplugged 200 times with calls under way, everybody is told and no timer stays`, async () => {
    const driver = createDriver(profile, { value() {}, failed() {}, redescribed() {} });
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
    const before = timers();
    const [command] = driver.commands.filter(({ name }) => name === "describe" || name === "read");
    for (let cycle = 0; cycle < 200; cycle += 1) {
      driver.attach({ write: async () => {} });
      const asked = Array.from({ length: 3 }, () =>
        command?.run({ name: "polled" }, new AbortController().signal),
      );
      const told = Promise.allSettled(asked);
      if (cycle % 2 === 0) await null;
      driver.received(Buffer.of(1, 3, 2, 0));
      driver.detach(new TetherError("device-missing", "unplugged"));
      for (const one of await told) {
        assert.equal(one.status === "rejected" && one.reason.code, "device-missing");
      }
    }
    assert.ok(timers() <= before + 1, `${timers()} timers, ${before} before`);
  });
}
