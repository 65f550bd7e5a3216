import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration } from "../../agent/config/index.ts";
import { DRIVERS, SIMULATIONS } from "../../firmware-bridge/index.ts";

function check(firmata: string) {
  const text = `devices:\n  - name: uno\n    serial: { path: /dev/ttyACM0, baudRate: 57600 }\n    driver: firmata\n    firmata:\n${firmata}`;
  const known = { drivers: DRIVERS, simulations: SIMULATIONS };
  return checkConfiguration(text, known, { stateFolder: "/var/lib/tether", hostName: "pi" });
}

test("firmata: a board is read, with its pins", () => {
  const { mistakes, configuration } = check(`
      samplingInterval: 50ms
      i2c: {}
      pins:
        led: { pin: 13, mode: output, initial: true }
        light: { pin: A0, mode: analog, scale: 0.1, unit: lx }
        arm: { pin: 10, mode: servo, minPulse: 600, maxPulse: 2300, initial: 90 }
`);
  assert.deepEqual(mistakes, []);
  const plain = { invert: false, scale: 1, offset: 0 };
  const { firmata } = JSON.parse(JSON.stringify(configuration?.devices[0]));
  assert.deepEqual(firmata, {
    samplingInterval: 50,
    timeout: 2_000,
    resetOnConnect: false,
    i2c: { delay: 0 },
    pins: {
      led: { ...plain, pin: 13, mode: "output", initial: true },
      light: { ...plain, pin: "A0", mode: "analog", scale: 0.1, unit: "lx" },
      arm: { ...plain, pin: 10, mode: "servo", minPulse: 600, maxPulse: 2_300, initial: 90 },
    },
  });
});

for (const [pins, expected] of [
  [
    "state: { pin: 1, mode: input }",
    "state would take the place of the device's own topic devices/NAME/state, allowed: another name",
  ],
  [
    "message: { pin: 1, mode: input }",
    "message would take the place of what the board says, allowed: another name",
  ],
  ["A3: { pin: 1, mode: input }", "A3 looks like the pin itself, allowed: another name"],
  ["p: { mode: input }", "p has no pin, allowed: a number from 0 to 127, or an analog channel as A0"],
  [
    "p: { pin: 128, mode: input }",
    "p.pin is 128, allowed: a number from 0 to 127, or an analog channel as A0",
  ],
  [
    "p: { pin: 1, mode: pull }",
    'p.mode is "pull", allowed: one of input pullup output analog pwm servo; nearest: pullup',
  ],
  [
    "p: { pin: 1, mode: input, initial: true }",
    "p.initial does not go with mode input, allowed: mode output pwm servo",
  ],
  ["p: { pin: 1, mode: output, initial: 7 }", "p.initial is 7, allowed: true or false"],
  ["p: { pin: 1, mode: pwm, initial: true }", "p.initial is true, allowed: a number"],
  [
    "p: { pin: 1, mode: pwm, invert: true }",
    "p.invert does not go with mode pwm, allowed: mode input pullup output",
  ],
  ["p: { pin: 1, mode: output, scale: 2 }", "p.scale does not go with mode output, allowed: mode analog pwm"],
  ["p: { pin: A1, mode: analog, scale: 0 }", "p.scale is 0, allowed: any other number"],
  [
    "p: { pin: 1, mode: servo, minPulse: 5 }",
    "p.minPulse is given alone, allowed: minPulse and maxPulse together",
  ],
  [
    "p: { pin: 1, mode: servo, minPulse: 5, maxPulse: 5 }",
    "p.minPulse is 5, allowed: less than the maxPulse of 5",
  ],
  [
    "p: { pin: 1, mode: output, unit: V }",
    "p.unit does not go with mode output, allowed: mode input pullup analog",
  ],
  [
    "p: { pin: 1, mode: input }, q: { pin: 1, mode: input }",
    "q.pin is 1, which devices[0].firmata.pins.p.pin on line 6 has, allowed: each once",
  ],
] as const) {
  test(`firmata: mistake of { ${pins} }`, () => {
    const { mistakes } = check(`      pins: { ${pins} }\n`);
    assert.deepEqual(
      mistakes.map(({ message }) => message.replace("devices[0].firmata.pins.", "")),
      [expected],
    );
  });
}
