import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { suite, test } from "node:test";
import { TelnetOptions } from "../../firmware-bridge/rfc2217/options.ts";
import {
  encodeData,
  encodeSubnegotiation,
  TelnetDecoder,
  type TelnetUnit,
} from "../../firmware-bridge/rfc2217/telnet.ts";
import { COM_PORT } from "../../protocol/limits.ts";

/** Units in words, data joined. */
function words(units: readonly TelnetUnit[]): string[] {
  const said: string[] = [];
  for (const unit of units) {
    if (unit.kind !== "data") {
      said.push(
        unit.kind === "negotiation"
          ? `${unit.verb} ${unit.option}`
          : unit.kind === "subnegotiation"
            ? `sb ${unit.option} ${unit.bytes.toString("hex")}`
            : unit.kind === "command"
              ? `command ${unit.code}`
              : `noise ${unit.why}`,
      );
    } else if (said.at(-1)?.startsWith("data ")) said.push(`${said.pop()}${unit.bytes.toString("hex")}`);
    else said.push(`data ${unit.bytes.toString("hex")}`);
  }
  return said;
}

const CASES: readonly (readonly [bytes: string, units: readonly string[], binary?: boolean])[] = [
  ["", []],
  ["00410d0a0d00fe", ["data 00410d0a0d00fe"]],
  ["410d0042", ["data 410d42"], false],
  ["0dffff00", ["data 0dff00"], false],
  ["0d0a0d0000", ["data 0d0a0d00"], false],
  ["ffff", ["data ff"]],
  ["41ffff42ffffffff", ["data 41ff42ffff"]],
  ["fffb2cfffd0041", ["251 44", "253 0", "data 41"]],
  ["41fffc0142fffeff", ["data 41", "252 1", "data 42", "254 255"]],
  ["410d00fffc00410d00fffb00410d00", ["data 410d00", "252 0", "data 410d", "251 0", "data 410d00"]],
  ["fff3fff6fff1", ["command 243", "command 246", "command 241"]],
  ["fffa2c0100002580fff0", ["sb 44 0100002580"]],
  ["fffa2c01ffffffff0000fff041", ["sb 44 01ffff0000", "data 41"]],
  ["fffa2cfff0", ["sb 44 "]],
  ["fffafff0", ["noise subnegotiation-broken-off"]],
  ["fff0", ["command 240"]],
  ["fffa2c01fffb2c41", ["noise subnegotiation-broken-off", "251 44", "data 41"]],
  ["fffa2c01fffa2c0508fff0", ["noise subnegotiation-broken-off", "sb 44 0508"]],
  [`fffa2c${"41".repeat(COM_PORT.subnegotiation)}fff0`, [`sb 44 ${"41".repeat(COM_PORT.subnegotiation)}`]],
  [`fffa2c${"41".repeat(COM_PORT.subnegotiation + 1)}fff042`, ["noise subnegotiation-too-long", "data 42"]],
];

suite("Telnet", () => {
  test("units of bytes, whole, byte by byte and glued together", () => {
    for (const [hex, expected, binary = true] of CASES) {
      const bytes = Buffer.from(hex, "hex");
      const whole = new TelnetDecoder();
      whole.isBinary = binary;
      assert.deepEqual(words(whole.push(bytes)), expected, hex);
      const single = new TelnetDecoder();
      single.isBinary = binary;
      const pieces = Array.from(bytes, (byte) => single.push(Buffer.of(byte))).flat();
      assert.deepEqual(words(pieces), expected, `${hex}, byte by byte`);
    }
    const together = new TelnetDecoder();
    const all = CASES.filter(([, , binary = true]) => binary);
    const units = words(together.push(Buffer.concat(all.map(([hex]) => Buffer.from(hex, "hex")))));
    assert.deepEqual(units, joined(all.flatMap(([, one]) => one)));
  });

  test("any bytes come through as data, however they are cut", () => {
    const seed = randomInt(2 ** 31);
    const random = generator(seed);
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(
        Array.from({ length: random(3000) }, () => [255, 0, 13, 10, random(256)][random(5)] ?? 0),
      );
      for (const binary of [true, false]) {
        const decoder = new TelnetDecoder();
        decoder.isBinary = binary;
        const encoded = encodeData(bytes, binary);
        const back: Buffer[] = [];
        for (let at = 0; at < encoded.length; ) {
          const end = at + 1 + random(100);
          for (const unit of decoder.push(encoded.subarray(at, end))) {
            assert.equal(unit.kind, "data", `seed ${seed}`);
            if (unit.kind === "data") back.push(Buffer.from(unit.bytes));
          }
          at = end;
        }
        assert.ok(Buffer.concat(back).equals(bytes), `seed ${seed}, binary ${binary}`);
      }
      const parameters = bytes.subarray(0, COM_PORT.subnegotiation);
      assert.deepEqual(words(new TelnetDecoder().push(encodeSubnegotiation(44, parameters))), [
        `sb 44 ${parameters.toString("hex")}`,
      ]);
    }
  });

  test("garbage is units, and the same ones however it is cut", () => {
    const seed = randomInt(2 ** 31);
    const random = generator(seed);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(
        Array.from({ length: random(2000) }, () => (random(3) === 0 ? 240 + random(16) : random(256))),
      );
      const whole = words(new TelnetDecoder().push(bytes));
      const decoder = new TelnetDecoder();
      const cut: TelnetUnit[] = [];
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random(20);
        cut.push(...decoder.push(bytes.subarray(at, end)));
        at = end;
      }
      assert.deepEqual(words(cut), whole, `seed ${seed}`);
    }
  });
});

suite("Telnet options", () => {
  const WILL = 251;
  const WONT = 252;
  const DO = 253;
  const DONT = 254;
  test("what was asked for is not answered, what is offered is taken or refused", () => {
    const options = new TelnetOptions();
    const asked = options.begin().map(({ verb, option }) => `${verb} ${option}`);
    assert.deepEqual(asked, ["251 0", "251 3", "253 0", "253 3", "253 44"]);
    const cases = [
      [WILL, 44, undefined],
      [WILL, 44, undefined],
      [DO, 0, undefined],
      [DO, 44, WILL],
      [DO, 44, undefined],
      [DO, 1, WONT],
      [WILL, 1, DONT],
      [DO, 31, WONT],
      [DONT, 31, undefined],
      [WONT, 200, undefined],
      [WONT, 44, DONT],
      [WONT, 44, undefined],
      [WILL, 44, DO],
      [WONT, 0, undefined],
    ] as const;
    for (const [verb, option, answer] of cases) {
      assert.equal(options.receive({ verb, option })?.verb, answer, `${verb} ${option}`);
    }
    assert.equal(options.isBinaryHere, true);
    options.receive({ verb: DONT, option: 0 });
    assert.equal(options.isBinaryHere, false);
  });

  test("two of them talking come to an end, whatever is said first", () => {
    for (let option = 0; option < 256; option++) {
      for (const verb of [WILL, WONT, DO, DONT] as const) {
        const sides = [new TelnetOptions(), new TelnetOptions()] as const;
        sides[0].begin();
        let next: ReturnType<TelnetOptions["receive"]> = { verb, option };
        let count = 0;
        while (next !== undefined) {
          next = sides[(count % 2) as 0 | 1].receive(next);
          assert.ok(count++ < 5, `${verb} ${option}`);
        }
      }
    }
  });
});

/** The words of units whose bytes came without a pause. */
function joined(said: readonly string[]): string[] {
  const result: string[] = [];
  for (const word of said) {
    if (word.startsWith("data ") && result.at(-1)?.startsWith("data "))
      result.push(result.pop() + word.slice(5));
    else result.push(word);
  }
  return result;
}

/** Numbers below a bound that a seed determines (mulberry32). */
function generator(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
