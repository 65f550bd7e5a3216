import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandReader, parseCommand, type Unit } from "../../agent/gateways/ftp/command-reader.ts";
import { parseExtendedPort, parsePort } from "../../agent/gateways/ftp/data-port.ts";
import { fitsPattern } from "../../agent/gateways/ftp/listing.ts";
import { FTP } from "../../protocol/index.ts";
import { chosenSeed, Random } from "../wire/random.ts";

const [IAC, DONT, DO, WONT, WILL, IP, DM] = [255, 254, 253, 252, 251, 244, 242];

function unitsOf(reader: CommandReader, bytes: Buffer): Unit[] {
  reader.push(bytes);
  const units: Unit[] = [];
  for (let unit = reader.next(); unit !== undefined; unit = reader.next()) units.push(unit);
  return units;
}

function linesOf(bytes: Buffer | string): string[] {
  return unitsOf(new CommandReader(), Buffer.from(bytes as string)).map((unit) =>
    unit.kind === "line" ? unit.text : unit.kind,
  );
}

test("lines end with CR LF or LF, wherever they are cut", () => {
  const text = "USER größe\r\nPASS  two spaces \nNOOP\r\n\r\nRETR a\r\n";
  const expected = ["USER größe", "PASS  two spaces ", "NOOP", "", "RETR a"];
  assert.deepEqual(linesOf(text), expected);
  const reader = new CommandReader();
  const units = [...Buffer.from(text)].flatMap((byte) => unitsOf(reader, Buffer.of(byte)));
  assert.deepEqual(
    units.map((unit) => unit.kind === "line" && unit.text),
    expected,
  );
});

test("a line that is too long, not UTF-8 or has control characters is one refusal, and the next one is read", () => {
  for (const bad of [
    Buffer.alloc(FTP.command + 1, "x"),
    Buffer.from("RETR \xe4", "latin1"),
    Buffer.from("RETR a\0b"),
    Buffer.from("RETR a\rb"),
  ]) {
    assert.deepEqual(linesOf(Buffer.concat([bad, Buffer.from("\r\nNOOP\r\n")])), ["malformed", "NOOP"]);
  }
  assert.deepEqual(linesOf(`${"x".repeat(FTP.command - 1)}\r\n`), ["x".repeat(FTP.command - 1)]);
});

test("an ABOR comes through however a client dresses it, and whatever of it went as urgent data", () => {
  const abort = Buffer.from("ABOR\r\n");
  for (const before of [[IAC, IP, IAC, DM], [IAC, IP, IAC], [IAC, IP, DM], [IAC, DM], [DM], [IAC, IP]]) {
    assert.deepEqual(linesOf(Buffer.concat([Buffer.from(before), abort])), ["ABOR"], String(before));
  }
  // Python's ftplib sends all of it as urgent, of which the last byte goes another way.
  const reader = new CommandReader();
  assert.deepEqual(unitsOf(reader, Buffer.from("abor\r")), [{ kind: "line", text: "abor" }]);
  assert.deepEqual(unitsOf(reader, Buffer.from("NOOP\r\n")), [{ kind: "line", text: "NOOP" }]);
  assert.deepEqual(unitsOf(reader, Buffer.from("ABOR\r")), [{ kind: "line", text: "ABOR" }]);
  assert.deepEqual(unitsOf(reader, Buffer.from("\nNOOP\r\n")), [{ kind: "line", text: "NOOP" }]);
});

test("options of Telnet are refused (RFC 1123 §4.1.2.12), and IAC IAC is one byte of text", () => {
  const asked = Buffer.concat([
    Buffer.of(IAC, DO, 1, IAC, WILL, 3, IAC, DONT, 1, IAC, WONT, 3),
    Buffer.from("NOOP\r\n"),
  ]);
  assert.deepEqual(unitsOf(new CommandReader(), asked), [
    { kind: "telnet", answer: Buffer.of(IAC, WONT, 1) },
    { kind: "telnet", answer: Buffer.of(IAC, DONT, 3) },
    { kind: "line", text: "NOOP" },
  ]);
  assert.deepEqual(linesOf(Buffer.concat([Buffer.from("RETR "), Buffer.of(IAC, IAC), Buffer.from("\r\n")])), [
    "malformed",
  ]);
});

test("a command is a verb, one space and an argument that stays as it is", () => {
  const table: readonly (readonly [string, unknown])[] = [
    ["noop", { verb: "NOOP", argument: undefined }],
    ["CWD  a ", { verb: "CWD", argument: " a " }],
    ["PWD ", { verb: "PWD", argument: "" }],
    ["", undefined],
    [" NOOP", undefined],
    ["NOOPS x", undefined],
    ["ls", undefined],
    ["R2TR x", undefined],
  ];
  for (const [line, expected] of table) assert.deepEqual(parseCommand(line), expected, line);
});

test("PORT and EPRT take addresses as their RFCs write them, and nothing else", () => {
  assert.deepEqual(parsePort("127,0,0,1,4,1"), { address: "127.0.0.1", port: 1025 });
  for (const bad of ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "256,0,0,1,4,1", "1,2,3,4,-5,6", "1,2,3,4,5,0x1"]) {
    assert.equal(parsePort(bad), undefined, bad);
  }
  assert.deepEqual(parseExtendedPort("|1|127.0.0.1|1025|"), { address: "127.0.0.1", port: 1025 });
  assert.deepEqual(parseExtendedPort("!2!::1!65535!"), { address: "::1", port: 65_535 });
  assert.equal(parseExtendedPort("|3|127.0.0.1|1025|"), "protocol");
  for (const bad of [
    "",
    "|",
    "|1|::1|1025|",
    "|2|127.0.0.1|1|",
    "|1|127.0.0.1|65536|",
    "|1|127.0.0.1|1025|x",
    "a1a1a1a",
  ]) {
    assert.equal(parseExtendedPort(bad), undefined, bad);
  }
});

test("a pattern fits names, in a time that no pattern can make long", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["a.txt", "*.txt", true],
    ["a.txt", "*.tx", false],
    [".hidden", "*", false],
    [".hidden", ".*", true],
    ["ü", "?", true],
    ["abcabc", "a*b*c", true],
    ["a[b]", "a[*", true],
  ];
  for (const [name, pattern, fits] of table)
    assert.equal(fitsPattern(name, pattern), fits, `${name} ${pattern}`);
  const start = performance.now();
  assert.equal(fitsPattern("a".repeat(255), `${"*a".repeat(120)}*b`), false);
  assert.ok(performance.now() - start < 1_000);
});

test("100,000 inputs are read without a crash, and never more is held than was sent", () => {
  const seed = chosenSeed();
  const random = new Random(seed);
  const pieces = [
    ...["USER ", "PORT ", "127,0,0,1,", "EPRT |", "1|", "::1", "|", "REST ", "\r\n", "\n", "\r", "ABOR", " "],
    ...["9".repeat(40), "..", "/", "\0", "ü", "*", "TYPE A", "MLST ", ";"],
  ].map((text) => Buffer.from(text));
  const start = performance.now();
  let lines = 0;
  const reader = new CommandReader();
  for (let n = 0; n < 100_000; n++) {
    const parts = Array.from({ length: 1 + random.below(8) }, () =>
      random.below(12) === 0 ? random.bytes(1 + random.below(6)) : random.pick(pieces),
    );
    for (const unit of unitsOf(reader, Buffer.concat(parts))) {
      assert.equal(reader.pending >= 0, true, `seed ${seed}`);
      if (unit.kind !== "line") continue;
      lines++;
      assert.ok(Buffer.byteLength(unit.text) <= FTP.command, `seed ${seed}`);
      assert.doesNotMatch(unit.text, /[\0-\x1f]/, `seed ${seed}`);
      const { argument = "" } = parseCommand(unit.text) ?? {};
      const port = parsePort(argument);
      assert.ok(port === undefined || port.port < 65_536, `seed ${seed}`);
      parseExtendedPort(argument);
      fitsPattern(argument, argument);
    }
    assert.equal(reader.pending, 0, `seed ${seed}`);
  }
  assert.ok(lines > 5_000, `only ${lines} lines, seed ${seed}`);
  console.log(`100,000 inputs, ${lines} lines, ${Math.round(performance.now() - start)} ms, seed ${seed}`);
});
