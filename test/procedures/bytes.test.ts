import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync, inflateSync } from "node:zlib";
import { decodeBase64 } from "../../agent/procedures/base64.ts";
import { type ErrorCode, type JsonValue, PROCEDURES } from "../../protocol/index.ts";
import { needs } from "../peers.ts";
import { seeded } from "../wire/random.ts";
import { askPython, builtinRegistry, contextOf, failure } from "./calling.ts";

const registry = builtinRegistry();
const call = (name: string, ...params: JsonValue[]) => registry.call(`bytes.${name}`, params, contextOf());
const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");

/** Packs and unpacks in Python; bytes are base64 there too. A case that Python refuses is null. */
const PYTHON_STRUCT = `
import struct, base64
def coded(v): return base64.b64encode(v).decode() if isinstance(v, bytes) else v
answers = []
for format, values, strings in cases:
    try:
        packed = struct.pack(format, *[base64.b64decode(v) if i in strings else v for i, v in enumerate(values)])
        answers.append([coded(packed), [coded(v) for v in struct.unpack(format, packed)]])
    except (struct.error, OverflowError): answers.append(None)
`;

type Case = [format: string, values: JsonValue[], strings: number[]];

/** Compares each case with Python's answer; gives how many of them Python took. */
async function compare(cases: Case[]): Promise<number> {
  const answers = askPython(PYTHON_STRUCT, cases) as ([string, JsonValue[]] | null)[];
  let taken = 0;
  for (const [index, [format, values]] of cases.entries()) {
    const answer = answers[index] ?? null;
    const what = JSON.stringify([format, values.map(String)]);
    if (answer === null) {
      await failure(() => call("pack", format, ...values), "invalid");
      continue;
    }
    taken++;
    const packed = call("pack", format, ...values);
    assert.equal(packed, answer[0], what);
    assert.deepStrictEqual(call("unpack", format, packed as string), answer[1], what);
  }
  return taken;
}

test("packs and unpacks a table of formats as Python does", async (t) => {
  if (!needs(t, "python3")) return;
  const big = 2n ** 64n - 1n;
  const cases: Case[] = [
    ["", [], []],
    ["<", [], []],
    ["x", [], []],
    ["<5xB", [7], []],
    ["bB", [-128, 255], []],
    ["b", [128], []],
    ["B", [-1], []],
    [">hHiIlLqQ", [-2, 65535, -3, 4294967295, -4, 5, -(2n ** 63n), big], []],
    ["<hHiIlLqQ", [-2, 65535, -3, 4294967295, -4, 5, -(2n ** 63n), big], []],
    ["@bhbibqb?d", [1, 2, 3, 4, 5, 6, 7, true, 1.5], []],
    ["=bhbibqb?d", [1, 2, 3, 4, 5, 6, 7, false, -1.5], []],
    ["!I", [305419896], []],
    ["lLnNP", [-1, 2n ** 63n, -1, big, 3], []],
    ["=n", [1], []],
    ["4h0l", [1, 2, 3, 4], []],
    ["b0q", [1], []],
    ["3s5s0s", [base64("abcd"), base64("xy"), base64("")], [0, 1, 2]],
    ["4p2p1p", [base64("abcd"), base64("x"), base64("y")], [0, 1, 2]],
    ["300p", [base64("z".repeat(300))], [0]],
    ["c", [base64("a")], [0]],
    ["c", [base64("ab")], [0]],
    ["cc", [base64("\xff"), base64("\0")], [0, 1]],
    ["??", [true, false], []],
    ["<?", [2], []],
    ["<efd", [1.0009765625, 0.1, 0.1], []],
    ["<e", [65519.99], []],
    ["<e", [65520], []],
    ["<3e", [2 ** -24, 2 ** -25, 1.0000001 * 2 ** -25], []],
    ["<e", [-0.00006103515625], []],
    ["<f", [3.4028235677973366e38], []],
    ["<f", [1e-45], []],
    ["<q", [2n ** 63n], []],
    ["<i", [1.5], []],
    [" < h", [1], []],
    ["<h h\tB\n", [1, 2, 3], []],
    ["2 h", [1, 2], []],
    ["<3", [], []],
    ["<h<h", [1, 2], []],
    ["z", [1], []],
    ["<h", [], []],
    ["<h", [1, 2], []],
    ["<2h", [1, 2], []],
    ["<16B", Array.from({ length: 16 }, (_, n) => n), []],
  ];
  assert.ok((await compare(cases)) >= 26);
});

test("packs and unpacks random records as Python does", async (t) => {
  if (!needs(t, "python3")) return;
  const next = seeded(3);
  const below = (count: number) => Math.floor(next() * count);
  const letters = "xcbB?hHiIlLqQefdsp";
  const sizes: Record<string, number> = { b: 1, h: 2, i: 4, l: 4, q: 8 };
  const cases = Array.from({ length: 4_000 }, (): Case => {
    const values: JsonValue[] = [];
    const strings: number[] = [];
    let format = ["", "@", "=", "<", ">", "!"][below(6)] as string;
    for (let field = below(6); field >= 0; field--) {
      const letter = letters[below(letters.length)] as string;
      const count = next() < 0.6 ? 1 : below(5);
      format += `${count === 1 ? "" : count}${letter}`;
      if (letter === "p" && count === 0) format = `${format.slice(0, -2)}1p`;
      if ("sp".includes(letter)) {
        strings.push(values.length);
        values.push(base64("abcdefgh".slice(0, below(9))));
        continue;
      }
      for (let n = 0; n < count && letter !== "x"; n++) {
        const bits = 8 * (sizes[letter.toLowerCase()] ?? 0);
        if (letter === "c") strings.push(values.length);
        if (letter === "c") values.push(base64(String.fromCharCode(below(256))));
        else if (letter === "?") values.push(next() < 0.5);
        else if (bits === 0) values.push(Math.fround((next() - 0.5) * 2 ** (below(36) - 20)));
        else {
          // A little over the range on both sides.
          const raw = BigInt(Math.floor(next() * 2 ** 32)) * 2n ** 32n + BigInt(Math.floor(next() * 2 ** 32));
          const size = raw >> BigInt(64 - bits + below(bits));
          const edge = next() < 0.02 ? 2n ** BigInt(bits) : size;
          const value = letter === letter.toLowerCase() ? edge - 2n ** BigInt(bits - 1) : edge;
          values.push(Number.isSafeInteger(Number(value)) ? Number(value) : value);
        }
      }
    }
    return [format, values, strings];
  });
  assert.ok((await compare(cases)) > 3_000);
});

test("halves take every value there is and back", () => {
  for (let bits = 0; bits < 65_536; bits++) {
    if ((bits & 0x7c00) === 0x7c00) continue;
    const data = Buffer.from([bits & 255, bits >> 8]).toString("base64");
    assert.equal(call("pack", "<e", ...(call("unpack", "<e", data) as JsonValue[])), data);
  }
});

test("what does not fit is told with its place", async () => {
  const table: [string, JsonValue[], ErrorCode, string][] = [
    [
      "pack",
      ["<hB", 1, 256],
      "invalid",
      'bytes.pack: value 2 for "B": got 256, a number; allowed: an integer from 0 to 255',
    ],
    ["pack", ["2b", 1], "invalid", "bytes.pack: the format takes 2 values; got 1"],
    [
      "pack",
      ["4s", "no!"],
      "invalid",
      'bytes.pack: value 1 for "s": got "no!", a string; allowed: bytes in base64',
    ],
    [
      "pack",
      ["<hz"],
      "invalid",
      'format at character 3: "z"; allowed: a count and one of x c b B ? h H i I l L q Q e f d s p',
    ],
    [
      "pack",
      ["99999999999999999999x"],
      "limit",
      `a format has at most ${PROCEDURES.packValues} values and ${PROCEDURES.bytes} bytes`,
    ],
    ["unpack", ["<h", "AAAA"], "invalid", "bytes.unpack: the format takes 2 bytes; got 3"],
    [
      "unpack",
      ["<h", "A A="],
      "invalid",
      'bytes.unpack: argument "data" is not base64; allowed: A-Z a-z 0-9 + / padded with =',
    ],
    [
      "unpack",
      ["<f", "AADAfw=="],
      "invalid",
      "bytes.unpack: the f at byte 0 is NaN, which JSON cannot carry",
    ],
    [
      "unpack",
      ["200000B", ""],
      "limit",
      `a format has at most ${PROCEDURES.packValues} values and ${PROCEDURES.bytes} bytes`,
    ],
    [
      "compress",
      ["%"],
      "invalid",
      'bytes.compress: argument "data" is not base64; allowed: A-Z a-z 0-9 + / padded with =',
    ],
  ];
  for (const [name, params, code, message] of table) {
    assert.equal((await failure(() => call(name, ...params), code)).message, message);
  }
});

test("compresses as zlib does, both ways", async () => {
  const data = Buffer.from("tether ".repeat(1_000));
  const small = Buffer.from((await call("compress", data.toString("base64"))) as string, "base64");
  assert.ok(small.length < 200);
  assert.deepEqual(inflateSync(small), data);
  assert.equal(await call("decompress", small.toString("base64")), data.toString("base64"));
  const stored = Buffer.from((await call("compress", data.toString("base64"), 0)) as string, "base64");
  assert.ok(stored.length > data.length);
  assert.equal(await call("decompress", await call("compress", "")), "");
  await failure(() => call("decompress", data.toString("base64")), "invalid");
  await failure(() => call("decompress", small.subarray(0, 20).toString("base64")), "invalid");
});

test("a small text that would fill the memory is refused", async () => {
  const bomb = deflateSync(Buffer.alloc(PROCEDURES.bytes + 1));
  assert.ok(bomb.length < 64 * 1024);
  const error = await failure(() => call("decompress", bomb.toString("base64")), "limit");
  assert.equal(error.message, `bytes.decompress: more than ${PROCEDURES.bytes} bytes come out`);
});

test("only padded base64 of the first alphabet is taken for bytes", () => {
  const whole = ["", "AAAA", "+/9z", "AA==", "AAA=", "Az+/AB=="];
  for (const text of whole) assert.deepEqual(decodeBase64(text), Buffer.from(text, "base64"), text);
  const broken = [
    "A",
    "A===",
    "====",
    "AA=A",
    "=AAA",
    "AA-_",
    "AA A",
    "AAA\n",
    "AAAé",
    "AAAŁ",
    "AAAA====",
    "AA==AAAA",
  ];
  for (const text of broken) assert.equal(decodeBase64(text), undefined, text);
});
