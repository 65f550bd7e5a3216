/** 100,000 broken inputs over each gateway's parser. `TETHER_SEED=N` gives the same ones again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFramer, type Framing, frameAnswer } from "../../agent/gateways/framing.ts";
import { isOwnHost, tokenOf } from "../../agent/gateways/http-gates.ts";
import { describingPage } from "../../agent/gateways/page.ts";
import { answerText, errorText, isOtherProtocol, readRequest } from "../../agent/gateways/request-text.ts";
import { writeAnswer } from "../../agent/gateways/xmlrpc-answer.ts";
import { decodeXml, readCall } from "../../agent/gateways/xmlrpc-call.ts";
import { answerCalls, type JsonValue, TetherError } from "../../protocol/index.ts";
import { builtinRegistry } from "../procedures/calling.ts";
import { chosenSeed, Random } from "../wire/random.ts";

const INPUTS = 100_000;
const LONGEST_REQUEST = 4_096;
/**
 * Milliseconds of the processor's time for one input: far more than any takes, far less than a parser that goes
 * wrong. On a busy machine any input may be the one during which the others have their turn.
 */
const BOUND = 1_000;

const seed = chosenSeed();
const registry = builtinRegistry();
const SILENCE = [
  // What these do is not the parsers' matter, and takes time.
  /^net\./,
  /^bytes\.(de)?compress/,
  /^system\.info/,
];

const TEXTS = [
  "math.multiply 6 7",
  "text.upper grüße 🌡",
  'text.echo {"a":[1,null]}',
  "system.methodHelp math.sum",
  "math.evaluate 2**64",
  "bytes.pack >hB 1 2",
  "GET / HTTP/1.1",
  "",
  " ",
  "[1,2]",
  '{"a":6,"b":7}',
  "\x16\x03\x01",
  "9".repeat(400),
];
const DOCUMENTS = [
  '{"jsonrpc":"2.0","id":1,"method":"math.multiply","params":[6,7]}',
  '[{"jsonrpc":"2.0","id":"x","method":"text.echo","params":{"value":{"é":[1e3,true,null]}}},{"jsonrpc":"2.0","method":"math.add","params":[1,2]}]',
  '{"jsonrpc":"2.0","id":12345678901234567890,"method":"system.multicall","params":[[{"methodName":"math.add","params":[1,2]}]]}',
];
const CALLS = [
  "<?xml version='1.0'?>\n<methodCall>\n<methodName>text.echo</methodName>\n<params>\n<param>\n<value><struct><member><name>a</name><value><array><data><value><int>1</int></value><value><nil/></value></data></array></value></member></struct></value>\n</param>\n</params>\n</methodCall>\n",
  "<methodCall><methodName>math.sum</methodName><params><param><value><double>-1.5</double></value></param><param><value><i8>99999999999</i8></value></param></params></methodCall>",
  "<?xml version='1.0' encoding='iso-8859-1'?><methodCall><methodName>text.echo</methodName><params><param><value><base64>AAEC</base64></value></param><param><value><dateTime.iso8601>20260131T14:08:55</dateTime.iso8601></value></param></params></methodCall>",
  "<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall><methodName>&b;</methodName></methodCall>",
  "<methodCall><!-- x --><methodName><![CDATA[text.upper]]></methodName><params><param><value>&#65;&lt;<string>x</string></value></param></params></methodCall>",
];

test("100,000 broken requests over each framing and each kind of arguments", (t) => {
  const random = started(t);
  const framings: Framing[] = ["chunk", "line", "block"];
  const kinds = ["words", "text", "json"] as const;
  for (const framing of framings) {
    for (let n = 0; n < INPUTS; n++) {
      const wire = broken(random, frameAnswer(framing, random.pick(TEXTS)));
      const meaning = {
        call: random.pick([undefined, "math.sum", "text.upper"]),
        arguments: random.pick(kinds),
      };
      timed(wire, () => {
        const framer = createFramer(framing, LONGEST_REQUEST);
        for (const read of inPieces(random, wire)) {
          framer.push(read);
          takeAll(framer.next.bind(framer), meaning);
          assert.ok(framer.pending <= LONGEST_REQUEST + wire.length);
        }
        takeAll(framer.last.bind(framer), meaning);
      });
    }
  }
});

test("100,000 broken documents of JSON-RPC", (t) => {
  const random = started(t);
  for (let n = 0; n < INPUTS; n++) {
    const body = broken(random, random.pick(DOCUMENTS)).toString();
    timed(body, () => {
      const answer = answerCalls(body, ({ method, params }) => called(method, params));
      if (typeof answer === "string") JSON.parse(answer);
    });
  }
});

test("100,000 broken documents of XML-RPC", (t) => {
  const random = started(t);
  let whole = 0;
  for (let n = 0; n < INPUTS; n++) {
    const body = broken(random, random.pick(CALLS));
    timed(body, () =>
      tolerant(() => {
        const call = readCall(decodeXml(body, random.pick([undefined, "utf-8"])));
        whole++;
        const result = called(call.method, call.params);
        if (!(result instanceof Promise)) writeAnswer(result, { types: call.types, schema: {} });
        return true;
      }),
    );
  }
  // Most are broken, and enough are not for what comes behind.
  assert.ok(whole > INPUTS / 100 && whole < INPUTS / 2, String(whole));
});

test("100,000 broken heads of HTTP", (t) => {
  const random = started(t);
  const own = { configured: "pi.lan", bound: "0.0.0.0", machine: "pi", certificate: undefined };
  const hosts = ["localhost:7002", "127.0.0.1", "[::1]:80", "pi.local", "[fe80::1%eth0]", "evil.example:1"];
  const tokens = ["Bearer tether_x", "Basic eDp5", "Basic x", "Digest a=b"];
  for (let n = 0; n < INPUTS; n++) {
    const host = broken(random, random.pick(hosts)).toString("latin1");
    const authorization = broken(random, random.pick(tokens)).toString("latin1");
    timed(host, () => {
      isOwnHost(host, own);
      tokenOf(authorization);
      assert.ok(
        !/<[^/!a-z]/.test(
          describingPage({ name: host, version: "", role: "viewer", listings: [], aliases: {} }),
        ),
      );
    });
  }
});

function started(t: { diagnostic(message: string): void }): Random {
  t.diagnostic(`TETHER_SEED=${seed}`);
  return new Random(seed);
}

/** Runs what a request says, as far as it is read. */
function takeAll(next: () => string | undefined, meaning: Parameters<typeof readRequest>[1]): void {
  for (let more = true; more; ) {
    more = tolerant(() => {
      const request = next();
      if (request === undefined) return false;
      isOtherProtocol(request);
      tolerant(() => {
        const { method, params } = readRequest(request, meaning);
        const result = called(method, params);
        if (!(result instanceof Promise)) answerText(result);
        return true;
      });
      return true;
    });
  }
}

/** What a parser says of broken input is one of our errors, and nothing else. */
function tolerant(work: () => boolean): boolean {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof TetherError) || thrown.code === "internal") throw thrown;
    assert.ok(!/[\n\r]/.test(errorText(thrown)));
    // After a request that is too long there is no next one.
    return thrown.code !== "limit";
  }
}

function called(method: string, params: JsonValue | undefined): JsonValue | Promise<JsonValue> {
  if (SILENCE.some((pattern) => pattern.test(method))) return null;
  const caller = { label: "fuzz", role: "viewer", origin: "127.0.0.1", allows: () => true } as const;
  const result = registry.call(method, params, { caller, signal: new AbortController().signal });
  if (result instanceof Promise) result.catch(() => undefined);
  return result;
}

function timed(input: string | Buffer, work: () => unknown): void {
  const start = process.cpuUsage();
  try {
    work();
  } catch (error) {
    const shown = JSON.stringify(
      Buffer.from(input as string)
        .toString("latin1")
        .slice(0, 2_000),
    );
    throw new Error(`seed ${seed}, input ${shown}`, { cause: error });
  }
  const { user, system } = process.cpuUsage(start);
  assert.ok((user + system) / 1_000 < BOUND, `seed ${seed}: ${String(input).slice(0, 200)}`);
}

/** A few changes to what is right: bytes flipped, put in, cut out, doubled; now and then nothing, or noise alone. */
function broken(random: Random, right: string | Buffer): Buffer {
  let bytes = Buffer.from(right as string);
  if (random.below(50) === 0) return random.bytes(random.below(200));
  for (let changes = random.below(6); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    const to = Math.min(bytes.length, at + random.below(random.pick([2, 8, 64])));
    const [before, middle, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
    switch (random.below(6)) {
      case 0:
        bytes = Buffer.concat([before, after]);
        break;
      case 1:
        bytes = Buffer.concat([before, middle, middle, middle, after]);
        break;
      case 2:
        bytes = Buffer.concat([before, random.bytes(1 + random.below(4)), after]);
        break;
      case 3:
        bytes = Buffer.concat([
          before,
          Buffer.from(random.pick(["<", ">", "&", '"', "\n", "\r", "\0", "[[", "{", "é", "🌡", "1e999", "-"])),
          middle,
          after,
        ]);
        break;
      case 4:
        bytes = Buffer.concat([
          before,
          Buffer.alloc(random.below(20) === 0 ? random.below(10_000) : 3, middle.length === 0 ? "x" : middle),
          after,
        ]);
        break;
      default:
        bytes = Buffer.from(before);
    }
  }
  return bytes;
}

function inPieces(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(random.pick([1, 8, 4_096]));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}
