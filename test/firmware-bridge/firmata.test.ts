import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Device, DeviceProfile, FirmataSettings, PinProfile } from "../../firmware-bridge/index.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import { missing } from "../peers.ts";
import { Random } from "../wire/random.ts";
import { FirmataPeer, MODE } from "./firmata-peer.ts";
import { MachinePort } from "./machine-port.ts";
import { call, createDevice, reached } from "./open-device.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";
import { until } from "./until.ts";

function pin(
  choice: number | string,
  mode: PinProfile["mode"],
  changes: Partial<PinProfile> = {},
): PinProfile {
  return { pin: choice, mode, invert: false, scale: 1, offset: 0, ...changes };
}

function profile(pins: FirmataSettings["pins"] = {}, changes: Partial<FirmataSettings> = {}): DeviceProfile {
  return {
    name: "uno",
    port: { kind: "path", path: "/dev/none", baudRate: 57_600 },
    driver: "firmata",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    firmata: { samplingInterval: 100, timeout: 1_000, resetOnConnect: false, pins, ...changes },
    commands: {},
    readings: {},
  };
}

interface Bench {
  readonly device: Device;
  readonly peer: FirmataPeer;
  readonly port: MachinePort<FirmataPeer>;
}

async function connected(
  t: TestContext,
  pins: FirmataSettings["pins"] = {},
  { minor = 5, ...changes }: Partial<FirmataSettings> & { readonly minor?: number } = {},
): Promise<Bench> {
  const port = new MachinePort(t, (say) => new FirmataPeer(say, minor));
  const device = createDevice(t, profile(pins, changes), port);
  await device.start();
  return { device, peer: port.peer, port };
}

function reading(device: Device, name: string) {
  return device.readings.find((each) => each.name === name)?.value;
}

test("firmata: a board says what it is and what its pins can do", async (t) => {
  const { device, peer } = await connected(t, { led: pin(13, "output") });
  assert.deepEqual(await call(device, "firmware"), { name: "Peer.ino", version: "2.5", protocol: "2.5" });
  const pins = (await call(device, "pins")) as { [key: string]: unknown }[];
  assert.equal(pins.length, 20);
  assert.deepEqual(pins[0], { pin: 0, name: null, analog: null, mode: null, state: null, modes: {} });
  assert.deepEqual(pins[13], {
    pin: 13,
    name: "led",
    analog: null,
    mode: "output",
    state: 0,
    modes: { input: 1, pullup: 1, output: 1, servo: 14 },
  });
  assert.deepEqual([pins[16]?.analog, pins[16]?.mode], ["A2", "analog"]);
  assert.equal(peer.heard.includes("ff"), false);
  assert.equal(peer.interval, 100);
});

test("firmata: digital pins, written and read", async (t) => {
  const { device, peer } = await connected(t);
  await call(device, "digitalWrite", { pin: 7, value: 1 });
  assert.deepEqual([peer.mode[7], peer.state[7]], [MODE.output, 1]);
  assert.equal(await call(device, "digitalRead", { pin: 7 }), true);
  await call(device, "digitalWrite", { pin: 7, value: false });
  assert.deepEqual(await call(device, "pinState", { pin: 7 }), { pin: 7, mode: "output", state: 0 });
  assert.ok(peer.heard.includes("f50701"));

  peer.level[8] = true;
  assert.equal(await call(device, "digitalRead", { pin: 8 }), true);
  assert.equal(peer.mode[8], MODE.input);
  peer.level[8] = false;
  assert.equal(await call(device, "digitalRead", { pin: 8 }), false);
  await call(device, "pinMode", { pin: 8, mode: "pullup" });
  assert.deepEqual([peer.mode[8], peer.state[8]], [MODE.pullup, 1]);
  await assert.rejects(call(device, "digitalWrite", { pin: 8, value: 1 }), {
    code: "invalid",
    message: "pin 8 of uno is pullup; allowed: output",
  });
  assert.equal(peer.heard.at(-1)?.startsWith("f508"), false);
});

test("firmata: analog inputs by pin, channel and as Arduino does; nothing is reported afterwards", async (t) => {
  const { device, peer } = await connected(t, {}, { samplingInterval: 1 });
  peer.analog[1] = 1023;
  peer.analog[2] = 300;
  for (const choice of [15, "A1", "a1", 1]) {
    assert.equal(await call(device, "analogRead", { pin: choice }), 1023, String(choice));
  }
  await call(device, "pinMode", { pin: "A2", mode: "analog" });
  assert.equal(await call(device, "analogRead", { pin: "A2" }), 300);
  assert.deepEqual(peer.heard.slice(-3), ["c201", "c200", "f9"]);
});

test("firmata: PWM and servos, in the short and in the long form", async (t) => {
  const { device, peer } = await connected(t, {
    arm: pin(10, "servo", { minPulse: 600, maxPulse: 2_300 }),
    fan: pin(9, "pwm", { scale: 100 / 255 }),
    tail: pin("A5", "servo"),
  });
  await call(device, "analogWrite", { pin: 3, value: 200 });
  assert.deepEqual([peer.mode[3], peer.state[3]], [MODE.pwm, 200]);
  await call(device, "set", { name: "fan", value: 50 });
  assert.equal(peer.state[9], 128);
  assert.equal(await call(device, "get", { name: "fan" }), 50.1960784313725);
  assert.deepEqual(peer.servos.get(10), [600, 2_300]);
  await call(device, "set", { name: "arm", value: 180 });
  assert.equal(await call(device, "get", { name: "arm" }), 180);
  await call(device, "servoWrite", { pin: "tail", value: 1_500 });
  assert.ok(peer.heard.includes("f06f135c0bf7"));
  for (const [name, args, message] of [
    ["analogWrite", { pin: 3, value: 256 }, "pin 3 of uno: 256; allowed: 0 to 255"],
    ["set", { name: "fan", value: 101 }, "fan: 101; allowed: 0 to 100"],
    ["set", { name: "fan", value: true }, "fan: true; allowed: a number"],
    [
      "servoWrite",
      { pin: 5, value: 300 },
      "pin 5: 300; allowed: 0 to 180 degrees, or 544 to 3000 microseconds",
    ],
  ] as const) {
    await assert.rejects(call(device, name, args), { code: "invalid", message });
  }
});

test("firmata: what a pin cannot be is refused, with what it can, and nothing is sent", async (t) => {
  const { device, peer } = await connected(t, { button: pin(2, "pullup") });
  await call(device, "firmware");
  const before = peer.heard.length;
  for (const [name, args, message] of [
    [
      "pinMode",
      { pin: 7, mode: "pwm" },
      "pin 7 of uno cannot be pwm; allowed: one of input pullup output servo; pwm can: 3 5 6 9 10 11",
    ],
    [
      "analogRead",
      { pin: 13 },
      "pin 13 of uno cannot be analog; allowed: one of input pullup output servo; analog are: A0 A1 A2 A3 A4 A5",
    ],
    ["digitalRead", { pin: 20 }, "uno has no pin 20; allowed: 0 to 19; analog are: A0 A1 A2 A3 A4 A5"],
    ["digitalRead", { pin: "A6" }, "uno has no pin A6; allowed: 0 to 19; analog are: A0 A1 A2 A3 A4 A5"],
    [
      "digitalWrite",
      { pin: "nix", value: 1 },
      "uno has no pin nix; allowed: 0 to 19; analog are: A0 A1 A2 A3 A4 A5",
    ],
    ["pinMode", { pin: 2, mode: "output" }, "pin 2 is button; allowed: pullup, as it is configured"],
    ["get", { name: "nix" }, 'uno has no pin named "nix"; allowed: button'],
  ] as const) {
    await assert.rejects(call(device, name, args), { code: "invalid", message });
  }
  await assert.rejects(device.say("hello", new AbortController().signal), { code: "invalid" });
  assert.equal(peer.heard.length, before);
});

test("firmata: named inputs are readings, told when they change", async (t) => {
  const { device, peer } = await connected(
    t,
    {
      button: pin(2, "pullup", { invert: true }),
      door: pin(12, "input"),
      light: pin("A0", "analog", { scale: 0.5, offset: 1, unit: "lx" }),
    },
    { samplingInterval: 5 },
  );
  const told: unknown[] = [];
  device.onReading(({ name, value }) => name === "light" && told.push(value));
  await call(device, "firmware");
  assert.deepEqual(
    ["button", "door", "light"].map((name) => reading(device, name)),
    [true, false, 1],
  );
  peer.level[2] = true;
  peer.level[12] = true;
  await until(() => reading(device, "button") === false && reading(device, "door") === true, "both ports");
  peer.analog[0] = 7;
  await until(() => reading(device, "light") === 4.5, "the analog value");
  assert.equal(await call(device, "get", { name: "light" }), 4.5);
  assert.equal(await call(device, "get", { name: "button" }), false);
  assert.equal(await call(device, "digitalRead", { pin: "button" }), true);
  peer.analog[0] = 8;
  await until(() => reading(device, "light") === 5, "the next");
  assert.deepEqual(told.slice(-2), [4.5, 5]);
});

test("firmata: I2C, bytes there and back", async (t) => {
  const { device, peer } = await connected(t);
  peer.i2c.set(
    0x48,
    Uint8Array.from({ length: 32 }, (_, index) => 200 + index),
  );
  const read = (args: object) => call(device, "i2cRead", { register: -1, count: 0, ...args });
  assert.deepEqual(await read({ address: 0x48, register: 2, count: 3 }), [202, 203, 204]);
  assert.equal(peer.i2cDelay, 0);
  assert.deepEqual(await read({ address: 0x48, register: 2 }), [200, 201]);
  assert.deepEqual(await read({ address: 0x48, count: 1 }), [200]);
  await call(device, "i2cWrite", { address: 0x48, bytes: [4, 1, 255, 0] });
  assert.deepEqual(await read({ address: 0x48, register: 3, count: 4 }), [203, 1, 255, 0]);
  await call(device, "i2cWrite", { address: 0x48, bytes: Array.from({ length: 30 }, (_, index) => index) });
  assert.deepEqual(await read({ address: 0x48, register: 28, count: 1 }), [29]);
  await assert.rejects(read({ address: 0x20, register: 0, count: 2 }), {
    code: "device-failed",
    message: "I2C address 0x20: nothing answers there",
  });
  assert.equal(reading(device, "message"), "I2C: Too few bytes received");
  await assert.rejects(read({ address: 0x48, register: 30, count: 4 }), /2 of 4 bytes came/);
  await assert.rejects(read({ address: 0x48, register: 0, count: 33 }), { code: "invalid" });
  await assert.rejects(read({ address: 0x48 }), { code: "invalid" });
  await assert.rejects(call(device, "pinMode", { pin: "A4", mode: "output" }), {
    code: "invalid",
    message: "pin 18 of uno is taken by I2C; allowed: another pin",
  });
});

test("firmata: a board that comes back as it was is left alone, one that lost its pins gets them again", async (t) => {
  const { device, peer, port } = await connected(t, {
    led: pin(13, "output", { initial: true }),
    button: pin(2, "pullup"),
    fan: pin(9, "pwm", { initial: 10 }),
  });
  peer.i2c.set(0x48, new Uint8Array(32));
  await call(device, "digitalWrite", { pin: 7, value: 1 });
  await call(device, "set", { name: "fan", value: 99 });
  await call(device, "samplingInterval", { milliseconds: 33 });
  await call(device, "i2cWrite", { address: 0x48, bytes: [1, 2] });
  assert.deepEqual([peer.state[13], peer.state[9]], [1, 99]);

  for (const isReset of [false, true]) {
    port.pull();
    await reached(device, "missing");
    if (isReset) peer.start();
    const before = peer.heard.length;
    port.plug();
    await reached(device, "ready");
    await call(device, "firmware");
    const sent = peer.heard.slice(before);
    assert.deepEqual([peer.mode[13], peer.state[13]], [MODE.output, 1]);
    assert.deepEqual([peer.mode[7], peer.state[7]], [MODE.output, 1]);
    assert.deepEqual([peer.mode[9], peer.state[9]], [MODE.pwm, 99]);
    assert.deepEqual([peer.mode[2], peer.interval, peer.i2cDelay], [MODE.pullup, 33, 0]);
    assert.equal(
      sent.some((message) => message.startsWith("f4")),
      isReset,
    );
    assert.ok(sent.includes("f06bf7"), "its capabilities are asked again");
    peer.level[2] = !peer.level[2];
    await until(() => reading(device, "button") === peer.level[2], "reports come again");
  }
});

test("firmata: a reset is noticed, who waits is told, and the pins are set again", async (t) => {
  const { device, peer } = await connected(t, { led: pin(13, "output", { initial: false }) });
  await call(device, "set", { name: "led", value: true });
  peer.deaf = 1_000;
  const waiting = assert.rejects(call(device, "digitalWrite", { pin: 7, value: 1 }), {
    code: "device-failed",
    message: "uno was reset",
  });
  await until(() => peer.deaf < 1_000, "it is on its way");
  peer.deaf = 0;
  peer.start();
  await waiting;
  await call(device, "firmware");
  assert.deepEqual([peer.mode[13], peer.state[13]], [MODE.output, 1]);
  // Once it knows what it is, it goes on as ever.
  for (let round = 0; round < 20; round += 1)
    await call(device, "digitalWrite", { pin: 7, value: round & 1 });
});

test("firmata: a board that starts late is asked until it answers, and calls wait for it", async (t) => {
  const port = new MachinePort(t, (say) => new FirmataPeer(say));
  port.peer.deaf = 12;
  const device = createDevice(t, profile({ led: pin(13, "output", { initial: true }) }), port);
  await device.start();
  assert.equal(await call(device, "get", { name: "led" }), true);
  assert.equal(port.peer.deaf, 0);
  await assert.rejects(
    (async () => {
      port.peer.deaf = 1_000;
      await call(device, "digitalWrite", { pin: 7, value: 1 });
    })(),
    { code: "timeout", message: "uno: pin 7: no answer within 1000 ms" },
  );
});

test("firmata: a lost byte is made good, and a setting that does not take is told", async (t) => {
  const { device, peer } = await connected(t);
  await call(device, "digitalWrite", { pin: 7, value: 1 });
  peer.deaf = 1;
  await call(device, "digitalWrite", { pin: 7, value: 0 });
  assert.equal(peer.state[7], 0);
  peer.isStubborn = true;
  await assert.rejects(call(device, "digitalWrite", { pin: 7, value: 1 }), {
    code: "device-failed",
    message: "pin 7 is output 0 and not output 1",
  });
});

test("firmata: reset by a call forgets what calls have set, and only that sends 0xFF", async (t) => {
  const { device, peer } = await connected(t, { led: pin(13, "output", { initial: true }) });
  await call(device, "digitalWrite", { pin: 7, value: 1 });
  await call(device, "set", { name: "led", value: false });
  assert.equal(peer.heard.includes("ff"), false);
  await call(device, "reset");
  assert.ok(peer.heard.includes("ff"));
  assert.deepEqual([peer.state[7], peer.state[13]], [0, 1]);
});

test("firmata: with resetOnConnect it is told to forget everything first", async (t) => {
  const { device, peer } = await connected(t, {}, { resetOnConnect: true });
  await call(device, "firmware");
  assert.equal(peer.heard.filter((message) => message === "ff").length, 1);
});

test("firmata: before 2.5 a whole port is set, and its other pins stay as they are", async (t) => {
  const { device, peer } = await connected(t, {}, { minor: 4 });
  await call(device, "digitalWrite", { pin: 3, value: 1 });
  await call(device, "digitalWrite", { pin: 7, value: 1 });
  assert.deepEqual([peer.state[3], peer.state[7]], [1, 1]);
  await call(device, "digitalWrite", { pin: 3, value: 0 });
  assert.deepEqual([peer.state[3], peer.state[7]], [0, 1]);
  assert.equal(
    peer.heard.some((message) => message.startsWith("f5")),
    false,
  );
});

test("firmata: a board too old, or that is none, is told of", async (t) => {
  const { device } = await connected(t, {}, { minor: 1 });
  await assert.rejects(call(device, "pins"), {
    code: "device-failed",
    message: "uno speaks Firmata 2.1, which cannot tell its pins; allowed: 2.2 and later 2",
  });
  const port = new MachinePort(t, (say) => ({ receive: () => say("ok\n"), stop() {} }));
  const marlin = createDevice(t, profile(), port);
  await marlin.start();
  await assert.rejects(call(marlin, "firmware", {}, AbortSignal.timeout(100)), { code: "timeout" });
});

test("firmata: a named pin that the board cannot be is told of, and the others work", async (t) => {
  const { device } = await connected(t, { light: pin(5, "analog"), led: pin(13, "output") });
  await call(device, "set", { name: "led", value: true });
  const light = device.readings.find(({ name }) => name === "light");
  assert.match(String(light?.error?.message), /^light: pin 5 of uno cannot be analog/);
  await assert.rejects(call(device, "get", { name: "light" }), { code: "invalid" });
});

test("firmata: garbage is data: whatever comes in between, the board is understood again", async (t) => {
  const { device, peer } = await connected(t, { led: pin(13, "output"), light: pin("A0", "analog") });
  await call(device, "set", { name: "led", value: true });
  const random = new Random(7);
  for (let round = 0; round < 20; round += 1) {
    // Every second round looks like Firmata: what a reset or a lost byte leaves of it.
    const isLike = round % 2 === 1;
    const starts = [0xf0, 0xf7, 0xf9, 0xe0, 0x90, 0x6c, 0x6e, 0x79, 0x77, 0x7f];
    const bytes = Array.from({ length: 500 }, () =>
      isLike ? (starts[random.below(20)] ?? random.below(128)) : random.below(256),
    );
    peer.babble(Uint8Array.from(bytes));
  }
  await until(
    () =>
      call(device, "set", { name: "led", value: true }).then(
        () => true,
        () => false,
      ),
    "the board again",
  );
  assert.equal(await call(device, "get", { name: "led" }), true);
  assert.deepEqual([peer.mode[13], peer.state[13]], [MODE.output, 1]);
  peer.analog[0] = 512;
  await until(() => reading(device, "light") === 512, "its reports");
});

test("firmata: unplugged 200 times in the middle of a call, told each time and set again", async (t) => {
  const { device, peer, port } = await connected(t, { led: pin(13, "output", { initial: true }) });
  for (let round = 0; round < 200; round += 1) {
    await call(device, "digitalWrite", { pin: 7, value: 1 });
    peer.deaf = 1_000;
    const ended = assert.rejects(call(device, "digitalWrite", { pin: 7, value: 0 }), {
      code: "device-missing",
    });
    await until(() => peer.deaf < 1_000, "it is on its way");
    port.pull();
    await ended;
    peer.deaf = 0;
    if (round % 2 === 1) peer.start();
    port.plug();
    await reached(device, "ready");
    assert.equal(await call(device, "get", { name: "led" }), true);
    assert.equal(await call(device, "digitalRead", { pin: 7 }), true);
  }
});

test("firmata: behind a pseudo-terminal, unplugged in the middle of a call and back", {
  skip: missing("socat"),
}, async (t) => {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  let say = (_text: string) => {};
  const peer = new FirmataPeer((text) => say(text));
  t.after(() => peer.stop());
  const plug = async () => {
    await terminal.plug();
    const board = await openTty(
      { path: terminal.boardPath, baudRate: 57_600 },
      { received: (bytes) => peer.receive(bytes), ended() {} },
    );
    t.after(() => board.close());
    say = (text) => void board.write(Buffer.from(text, "latin1")).catch(() => {});
  };
  await plug();
  const port = { kind: "path", path: terminal.path, baudRate: 57_600 } as const;
  const device = createDevice(t, { ...profile({ button: pin(2, "input") }), port });
  await device.start();
  const calls = Array.from({ length: 100 }, (_, index) =>
    call(device, "digitalWrite", { pin: 3 + (index % 8), value: index & 1 }),
  );
  await Promise.all(calls);
  assert.equal(peer.state[10], 1);

  peer.deaf = 100;
  const ended = assert.rejects(call(device, "digitalWrite", { pin: 7, value: 1 }), {
    code: "device-missing",
  });
  await until(() => peer.deaf < 100, "it is on its way");
  peer.deaf = 0;
  await terminal.pull();
  await ended;
  peer.start();
  await plug();
  await reached(device, "ready");
  assert.equal(await call(device, "digitalRead", { pin: 10 }), true);
  peer.level[2] = true;
  await until(() => reading(device, "button") === true, "its reports");
});
