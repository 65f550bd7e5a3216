import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageReader } from "../../firmware-bridge/drivers/firmata/message-reader.ts";
import type { FirmataMessage } from "../../firmware-bridge/drivers/firmata/messages.ts";
import { FIRMATA } from "../../protocol/limits.ts";

const noise = (...bytes: readonly number[]): FirmataMessage => ({
  kind: "noise",
  sample: Uint8Array.from(bytes),
});

/** What boards say, and what it means (protocol.md, i2c.md). */
const TABLE: readonly (readonly [string, readonly FirmataMessage[]])[] = [
  ["f90205", [{ kind: "version", major: 2, minor: 5 }]],
  ["e07f07", [{ kind: "analog", channel: 0, value: 1023 }]],
  ["ef0001", [{ kind: "analog", channel: 15, value: 128 }]],
  ["915501", [{ kind: "digital", port: 1, value: 0xd5 }]],
  ["f0790205410062000301f7", [{ kind: "firmware", major: 2, minor: 5, name: "Ab\ufffd" }]],
  ["f0790205f7", [{ kind: "firmware", major: 2, minor: 5, name: "" }]],
  [
    "f06c7f00010b0103087f7ff7",
    [
      {
        kind: "capabilities",
        pins: [
          new Map(),
          new Map([
            [0, 1],
            [11, 1],
            [3, 8],
          ]),
          new Map(),
        ],
      },
    ],
  ],
  ["f06a7f0001f7", [{ kind: "mapping", channels: [undefined, 0, 1] }]],
  ["f06e0d0101f7", [{ kind: "pinState", pin: 13, mode: 1, state: 1 }]],
  ["f06e09037f01f7", [{ kind: "pinState", pin: 9, mode: 3, state: 255 }]],
  ["f06e09047f7f7f7f0ff7", [{ kind: "pinState", pin: 9, mode: 4, state: 0xffffffff }]],
  ["f06e63f7", [{ kind: "pinState", pin: 99, mode: undefined, state: 0 }]],
  ["f06f14010208f7", [{ kind: "analog", channel: 20, value: 1 + 2 * 128 + 8 * 16384 }]],
  ["f07143014201f7", [{ kind: "string", text: "\ufffd\ufffd" }]],
  ["f0714f004b00f7", [{ kind: "string", text: "OK" }]],
  ["f0774800030019007f01f7", [{ kind: "i2c", address: 0x48, register: 3, bytes: [25, 255] }]],
  ["f00102030405f7", [{ kind: "sysex", id: 1 }]],
  // Garbage is data: between messages, in them, instead of them.
  ["0102f90205", [noise(1, 2), { kind: "version", major: 2, minor: 5 }]],
  ["f902f90205", [noise(0xf9, 2), { kind: "version", major: 2, minor: 5 }]],
  ["f07902e00102", [noise(0xf0, 0x79, 2), { kind: "analog", channel: 0, value: 257 }]],
  ["f0f7", [noise(0xf0, 0xf7)]],
  ["f4c0ff80", [noise(0xf4, 0xc0, 0xff, 0x80)]],
  ["f0776ff7", [noise(0x77, 0x6f)]],
];

for (const [hex, expected] of TABLE) {
  test(`firmata: ${hex} whole, and byte by byte`, () => {
    const bytes = Buffer.from(hex, "hex");
    assert.deepEqual(new MessageReader().push(bytes), expected);
    const reader = new MessageReader();
    const messages = [...bytes].flatMap((byte) => reader.push(Uint8Array.of(byte)));
    assert.deepEqual(
      messages.filter(({ kind }) => kind !== "noise"),
      expected.filter(({ kind }) => kind !== "noise"),
    );
  });
}

test("firmata: all of them glued together", () => {
  const whole = TABLE.filter(([, messages]) => messages.every(({ kind }) => kind !== "noise"));
  const bytes = Buffer.concat(whole.map(([hex]) => Buffer.from(hex, "hex")));
  assert.deepEqual(
    new MessageReader().push(bytes),
    whole.flatMap(([, messages]) => messages),
  );
});

test("firmata: a message without end is bounded, and what follows it is understood", () => {
  const reader = new MessageReader();
  assert.deepEqual(reader.push(Uint8Array.of(0xf0, 0x71)), []);
  for (let piece = 0; piece < 10; piece += 1) {
    assert.deepEqual(reader.push(new Uint8Array(FIRMATA.sysex).fill(0x41)), []);
  }
  const messages = reader.push(Uint8Array.of(0xf7, 0xf9, 2, 5));
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ["noise", "version"],
  );
});
