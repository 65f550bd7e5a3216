import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { checkConfiguration, formatMistake } from "../../agent/config/index.ts";
import { DRIVERS, SIMULATIONS } from "../../firmware-bridge/index.ts";

const FOLDER = new URL("../../examples/devices/", import.meta.url);
const KNOWN = { drivers: DRIVERS, simulations: SIMULATIONS };

for (const name of readdirSync(FOLDER)) {
  test(`the example ${name} has no mistake and a device`, () => {
    const surroundings = { stateFolder: "/var/lib/tether", hostName: "pi" };
    const { mistakes, configuration } = checkConfiguration(
      readFileSync(new URL(name, FOLDER), "utf8"),
      KNOWN,
      surroundings,
    );
    assert.deepEqual(
      mistakes.map((mistake) => formatMistake(name, mistake)),
      [],
    );
    assert.ok((configuration?.devices.length ?? 0) > 0);
  });
}
