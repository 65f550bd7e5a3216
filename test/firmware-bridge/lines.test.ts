import assert from "node:assert/strict";
import { test } from "node:test";
import { type LineFormat, LineParser, type LineUnit } from "../../firmware-bridge/framing/lines.ts";

const line = (text: string): LineUnit => ({ kind: "line", text });
const prompt = (text: string): LineUnit => ({ kind: "prompt", text });
const noise = (why: "too-long" | "not-utf8" | "checksum", sample: string | number[]): LineUnit => ({
  kind: "noise",
  why,
  sample: Uint8Array.from(typeof sample === "string" ? Buffer.from(sample) : sample),
});

interface Row {
  readonly what: string;
  readonly format: LineFormat;
  readonly bytes: string | number[];
  readonly units: readonly LineUnit[];
}

const TABLE: readonly Row[] = [
  { what: "one line", format: { terminator: "\n" }, bytes: "OK\n", units: [line("OK")] },
  { what: "a carriage return before", format: { terminator: "\n" }, bytes: "OK\r\n", units: [line("OK")] },
  { what: "one inside", format: { terminator: "\n" }, bytes: "a\rb\n", units: [line("a\rb")] },
  {
    what: "empty lines",
    format: { terminator: "\n" },
    bytes: "\n\na\n",
    units: [line(""), line(""), line("a")],
  },
  {
    what: "a terminator of two",
    format: { terminator: "\r\n" },
    bytes: "a\rb\nc\r\r\n",
    units: [line("a\rb\nc\r")],
  },
  { what: "one that repeats itself", format: { terminator: "aab" }, bytes: "xaaab", units: [line("xa")] },
  {
    what: "a terminator beyond ASCII",
    format: { terminator: "→" },
    bytes: "æ→ø→",
    units: [line("æ"), line("ø")],
  },
  {
    what: "letters of four bytes",
    format: { terminator: "\n" },
    bytes: "21 °C 🌡\n",
    units: [line("21 °C 🌡")],
  },
  { what: "a byte order mark", format: { terminator: "\n" }, bytes: "\ufeffa\n", units: [line("\ufeffa")] },
  {
    what: "bytes that are no UTF-8",
    format: { terminator: "\n" },
    bytes: [0xff, 0xfe, 0x0a, 0x41, 0x0a],
    units: [noise("not-utf8", [0xff, 0xfe]), line("A")],
  },
  {
    what: "lines at the limit and over it",
    format: { terminator: "\n", limit: 4 },
    bytes: "1234\n12345\n12\n1234567890123\n1\n",
    units: [line("1234"), noise("too-long", "12345"), line("12"), noise("too-long", "12345"), line("1")],
  },
  {
    what: "a terminator of two at the limit",
    format: { terminator: "\r\n", limit: 4 },
    bytes: "1234\r\n12345\r\n\r\n123\r4\r\n",
    units: [line("1234"), noise("too-long", "12345\r"), line(""), noise("too-long", "123\r4\r")],
  },
  {
    what: "prompts before, after and alone",
    format: { terminator: "\n", prompt: "> ", limit: 4 },
    bytes: "> 1234\n> > 2\n>3\n > \n> ",
    units: [
      prompt("> "),
      line("1234"),
      prompt("> "),
      prompt("> "),
      line("2"),
      line(">3"),
      line(" > "),
      prompt("> "),
    ],
  },
  {
    what: "a prompt after a line over the limit",
    format: { terminator: "\n", prompt: "> ", limit: 4 },
    bytes: "12345\n> 1> \n",
    units: [noise("too-long", "12345"), prompt("> "), line("1> ")],
  },
  {
    what: "NMEA sentences",
    format: { terminator: "\r\n", checksum: "nmea" },
    bytes: "$GPGLL,5300.97914,N,00259.98174,E,125926,A*28\r\n!A*41\r\n$B*b2\r\n$B*42\r\n$B\r\n*00\r\n",
    units: [
      line("$GPGLL,5300.97914,N,00259.98174,E,125926,A"),
      line("!A"),
      noise("checksum", "$B*b2"),
      line("$B"),
      noise("checksum", "$B"),
      line(""),
    ],
  },
  {
    what: "sums",
    format: { terminator: "\r", checksum: "sum8" },
    bytes: "#0184\r#0jbd\r#0185\r4\r",
    units: [line("#01"), line("#0j"), noise("checksum", "#0185"), noise("checksum", "4")],
  },
  { what: "no end", format: { terminator: "\n" }, bytes: "OK", units: [] },
];

function bytesOf({ bytes }: Row): Uint8Array {
  return Uint8Array.from(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
}

function parse(format: LineFormat, pieces: readonly Uint8Array[]): LineUnit[] {
  const parser = new LineParser(format);
  return pieces.flatMap((piece) => parser.push(piece));
}

for (const row of TABLE) {
  test(`lines: ${row.what}, whole`, () => {
    assert.deepEqual(parse(row.format, [bytesOf(row)]), row.units);
  });
  test(`lines: ${row.what}, byte by byte`, () => {
    assert.deepEqual(
      parse(
        row.format,
        Array.from(bytesOf(row), (byte) => Uint8Array.of(byte)),
      ),
      row.units,
    );
  });
  test(`lines: ${row.what}, glued to itself`, () => {
    const closed = Buffer.concat([
      bytesOf(row),
      Buffer.from(row.units.length === 0 ? row.format.terminator : ""),
    ]);
    const once = parse(row.format, [closed]);
    assert.deepEqual(parse(row.format, [Buffer.concat([closed, closed, closed])]), [
      ...once,
      ...once,
      ...once,
    ]);
  });
}

test("lines: however random bytes are divided, the same units come, and none is over the limit", () => {
  let seed = 20_261_120;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const alphabet = [0x0a, 0x0d, 0x0a, 0x41, 0x42, 0xc3, 0xa9, 0xff, 0x00, 0x61];
  for (let round = 0; round < 500; round += 1) {
    const terminator = ["\n", "\r\n", "AA", "\n\r\n"][random(4)] ?? "\n";
    const format = { terminator, limit: 1 + random(20), prompt: ["", "B", "aB", "aa"][random(4)] };
    const bytes = Uint8Array.from({ length: random(400) }, () => alphabet[random(alphabet.length)] ?? 0);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random(12);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    const whole = parse(format, [bytes]);
    assert.deepEqual(parse(format, pieces), whole, `round ${round}, seed ${seed}`);
    for (const unit of whole) {
      if (unit.kind === "line") assert.ok(Buffer.byteLength(unit.text) <= format.limit, `round ${round}`);
    }
  }
});

test("lines: a long line in small pieces costs time in proportion to its length", () => {
  const time = (length: number) => {
    const parser = new LineParser({ terminator: "\r\n", limit: 1 << 24 });
    const piece = Buffer.alloc(16, "x");
    const start = process.cpuUsage();
    for (let at = 0; at < length; at += piece.length) parser.push(piece);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  time(1 << 18);
  const small = time(1 << 18);
  const large = time(1 << 21);
  assert.ok(large < 40 * small, `8 times the bytes took ${(large / small).toFixed(1)} times the time`);
});
