import assert from "node:assert/strict";
import { test } from "node:test";
import { type FlashSettings, planFlash, playReset, RESETS, readImage } from "../../firmware-bridge/index.ts";
import { MemoryCable, type MemoryState } from "../../firmware-bridge/link/memory.ts";
import { intelHex, programOf } from "../flash/intel-hex.ts";
import { uf2 } from "../flash/uf2.ts";

const HEX = Buffer.from(intelHex(programOf(100)));
const UF2 = uf2(programOf(1_000));
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0]);
const APP = Buffer.from([0xe9, 1, 2, 3]);
/** An image of the whole memory of an ESP: it has a partition table. */
const WHOLE = Buffer.alloc(0x9000, 0xff);
WHOLE.set([0xaa, 0x50, 1, 2], 0x8000);

function plans(settings: Partial<FlashSettings>, name: string, content: Buffer) {
  return planFlash({ timeout: 1_000, ...settings }, readImage(name, content), "bench").map(
    ({ tool, reset, program }) => ({
      tool,
      reset,
      command: program && [program.names.join("|"), ...program.args("/dev/p", "/w/f")].join(" "),
    }),
  );
}

for (const [settings, name, content, ...expected] of [
  [
    { part: "m328p" },
    "a.hex",
    HEX,
    { tool: "avrdude", reset: "none", command: "avrdude -p m328p -c arduino -P /dev/p -D -U flash:w:/w/f:i" },
  ],
  [
    { part: "m32u4", programmer: "avr109", baudRate: 57_600 },
    "A.HEX",
    HEX,
    {
      tool: "avrdude",
      reset: "touch",
      command: "avrdude -p m32u4 -c avr109 -P /dev/p -b 57600 -D -U flash:w:/w/f:i",
    },
  ],
  [
    { tool: "avrdude", part: "m328p", programmer: "stk500v1", reset: "pulse", program: "/opt/avrdude" },
    "a.elf",
    ELF,
    {
      tool: "avrdude",
      reset: "pulse",
      command: "/opt/avrdude -p m328p -c stk500v1 -P /dev/p -U flash:w:/w/f:e",
    },
  ],
  [
    {},
    "a.bin",
    WHOLE,
    {
      tool: "esptool",
      reset: "none",
      command: "esptool|esptool.py --chip auto --port /dev/p write_flash 0x0 /w/f",
    },
  ],
  [
    { chip: "esp32", address: 0x1_0000, baudRate: 460_800, reset: "esp" },
    "a.bin",
    APP,
    {
      tool: "esptool",
      reset: "esp",
      command:
        "esptool|esptool.py --chip esp32 --port /dev/p --baud 460800 --before no_reset write_flash 0x10000 /w/f",
    },
  ],
  [
    { chip: "esp8266" },
    "a.bin",
    APP,
    {
      tool: "esptool",
      reset: "none",
      command: "esptool|esptool.py --chip esp8266 --port /dev/p write_flash 0x0 /w/f",
    },
  ],
  [
    {},
    "a.uf2",
    UF2,
    { tool: "picotool", reset: "touch", command: "picotool load -v -x /w/f -t uf2" },
    { tool: "uf2", reset: "touch", command: undefined },
  ],
  [{ drive: "/media/RPI-RP2" }, "a.uf2", UF2, { tool: "uf2", reset: "touch", command: undefined }],
] as const) {
  test(`flash: ${JSON.stringify(settings)} and ${name}`, () => {
    assert.deepEqual(plans(settings, name, content), expected);
  });
}

for (const [settings, name, content, message] of [
  [{}, "a.hex", HEX, /avrdude has to be told which chip bench has/],
  [{}, "a.bin", APP, /nothing says where in the chip's memory a\.bin goes/],
  [{}, "a.elf", ELF, /nothing says which tool is to flash a\.elf/],
  [{ tool: "avrdude", part: "m328p" }, "a.uf2", UF2, /avrdude takes \.hex, \.elf and \.bin, and no \.uf2/],
  [{ tool: "esptool" }, "a.hex", HEX, /esptool takes \.bin, and no \.hex/],
  [{ tool: "picotool" }, "a.hex", HEX, /picotool takes \.uf2, \.elf and \.bin, and no \.hex/],
  [{ tool: "uf2" }, "a.elf", ELF, /the drive of a board takes \.uf2, and no \.elf/],
  [{}, "hex", HEX, /hex: nothing says what this file is/],
  [{}, "a.hex", Buffer.alloc(0), /a\.hex is empty/],
  [{}, "a.uf2", UF2.subarray(0, 600), /600 bytes are no whole blocks/],
  [{}, "a.uf2", Buffer.concat([UF2.subarray(0, 512), Buffer.alloc(512)]), /the block at byte 512 is none/],
  [{}, "a.elf", HEX, /a\.elf is no ELF file/],
] as const) {
  test(`flash: what is wrong with ${JSON.stringify(settings)} and ${name}: ${message.source}`, () => {
    assert.throws(() => plans(settings, name, content), { code: "invalid", message });
  });
}

test("Intel HEX is checked to its last record", () => {
  const text = HEX.toString();
  const lines = text.split("\n");
  const second = lines[1] ?? "";
  for (const [wrong, message] of [
    [
      text.replace(second, `${second.slice(0, -1)}${second.endsWith("0") ? "1" : "0"}`),
      "a.hex:2: the line has a wrong checksum",
    ],
    [text.replace(second, second.slice(0, -2)), "a.hex:2: the line is not as long as it says"],
    [text.replace(second, "hello"), "a.hex:2: the line is no record of Intel HEX"],
    [text.replace(second, ":".padEnd(600, "0")), "a.hex:2: the line is too long for a record"],
    [lines.slice(0, -2).join("\n"), "a.hex has no end: the rest of it is missing"],
    [`${text}${second}\n`, "a.hex:9: the line stands behind the end"],
  ] as const) {
    assert.throws(() => readImage("a.hex", Buffer.from(wrong)), { code: "invalid", message });
  }
  readImage("a.hex", Buffer.from(text.replaceAll("\n", "\r\n")));
  assert.throws(() => readImage("a.hex", Buffer.alloc(3 * 1024 * 1024, ":")), { code: "limit" });
});

/** What each tool prints where its output is no terminal, and what is read of it. */
for (const [name, content, settings, said, steps] of [
  [
    "a.hex",
    HEX,
    { part: "m328p" },
    `
avrdude: AVR device initialized and ready to accept instructions
avrdude: writing 2000 bytes flash ...

Writing | ################################################## | 100% 0.02s

avrdude: 2000 bytes of flash written
avrdude: verifying flash memory against /w/f

Reading | ################################################## | 100% 0.01s
`,
    ["writing 0", "writing 100", "verifying 0", "verifying 100"],
  ],
  [
    "a.bin",
    WHOLE,
    {},
    "Compressed 36864 bytes to 60...\nWriting at 0x00000000... (3 %)\rWriting at 0x00004000... (66 %)\rWriting at 0x00008000... (100 %)\nHash of data verified.\n",
    ["writing 3", "writing 100"],
  ],
  [
    "a.bin",
    WHOLE,
    {},
    "Writing at 0x00010000 [>                             ]   0.0% 0/131072 bytes...\rWriting at 0x00030000 [==============================] 100.0% 131072/131072 bytes...\n",
    ["writing 0", "writing 100"],
  ],
  [
    "a.uf2",
    UF2,
    {},
    "Loading into Flash: [                              ]  0%\rLoading into Flash: [==============================]  100%\nVerifying Flash:    [==============================]  100%\n  OK\n",
    ["loading 0", "loading 100", "verifying 100"],
  ],
] as const) {
  test(`flash: how far ${name} is, whatever the pieces are in which it is told`, () => {
    const program = planFlash({ timeout: 1, ...settings }, readImage(name, content), "bench")[0]?.program;
    for (const size of [1, 7, 4_096]) {
      const read = program?.progress();
      const seen: string[] = [];
      for (let at = 0; at < said.length; at += size) {
        const now = read?.(said.slice(at, at + size));
        if (now !== undefined) seen.push(`${now.step} ${now.percent}`);
      }
      if (size === 1) for (const step of steps) assert.ok(seen.includes(step), `${step} in ${seen}`);
      assert.equal(seen.at(-1), steps.at(-1), `in pieces of ${size}`);
    }
  });
}

test("the lines of a reset that go together change at one moment", async () => {
  const seen: { [reset: string]: string[] } = {};
  for (const reset of RESETS) {
    const cable = new MemoryCable();
    const states: MemoryState[] = [];
    const edges: number[] = [];
    cable.ends[1].open({
      received() {},
      ended() {},
      changed: (state) => {
        states.push({ ...state });
        edges.push(performance.now());
      },
    });
    const link = cable.ends[0].open({ received() {}, ended() {} });
    const waits: number[] = [];
    await playReset(reset, link, async (milliseconds) => {
      waits.push(milliseconds);
    });
    seen[reset] = states
      .slice(1)
      .map(({ settings, dtr, rts }) => `${settings.baudRate} ${dtr ? "D" : "d"}${rts ? "R" : "r"}`);
    // Both lines are in one change: there is no state between, and no time between their edges.
    if (reset === "esp") {
      assert.deepEqual(waits, [100, 50]);
      assert.ok((edges.at(-1) ?? 0) - (edges[1] ?? 0) < 50, "nothing but the waits takes time");
    }
  }
  assert.deepEqual(seen, {
    none: [],
    pulse: ["115200 dr", "115200 DR"],
    esp: ["115200 dR", "115200 Dr", "115200 dr"],
    touch: ["1200 DR", "1200 dR"],
  });
});

test("a reset by lines that a port has not is told", async () => {
  const port = { configure: async () => assert.fail("no settings"), setLines: async () => false };
  await assert.rejects(
    playReset("pulse", port, async () => {}),
    { code: "device-failed", message: "the port has no DTR and RTS, which the reset pulse needs" },
  );
});
