import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createFramer, type Framer, type Framing, frameAnswer } from "../../agent/gateways/framing.ts";
import { isOtherProtocol, readRequest } from "../../agent/gateways/request-text.ts";
import { TetherError } from "../../protocol/index.ts";
import { block } from "./raw-client.ts";

const WORDS = ["plain", "", "grüße 🌡 €", "6 7"];

/** Every request that comes of these reads. */
function requests(framing: Framing, reads: readonly Buffer[], most = 1_000): string[] {
  const framer = createFramer(framing, most);
  const all: string[] = [];
  for (const read of reads) {
    framer.push(read);
    drain(framer, all);
  }
  return all;
}

function drain(framer: Framer, into: string[]): void {
  for (let one = framer.next(); one !== undefined; one = framer.next()) into.push(one);
}

function single(bytes: Buffer): Buffer[] {
  return [...bytes].map((byte) => Buffer.of(byte));
}

suite("framing", () => {
  test("a line ends at a newline, however it comes", () => {
    const wire = Buffer.from(`${WORDS.join("\r\n")}\n`);
    for (const reads of [[wire], single(wire)]) assert.deepEqual(requests("line", reads), WORDS);
    for (let cut = 0; cut <= wire.length; cut++) {
      assert.deepEqual(requests("line", [wire.subarray(0, cut), wire.subarray(cut)]), WORDS);
    }
  });

  test("a block has its length before it, however it comes", () => {
    const wire = Buffer.concat(WORDS.map(block));
    for (const reads of [[wire], single(wire)]) assert.deepEqual(requests("block", reads), WORDS);
    for (let cut = 0; cut <= wire.length; cut++) {
      assert.deepEqual(requests("block", [wire.subarray(0, cut), wire.subarray(cut)]), WORDS);
    }
  });

  test("a chunk is what one read brought; half a character waits for its rest", () => {
    const wire = Buffer.from("a🌡é");
    assert.deepEqual(requests("chunk", [wire, wire]), ["a🌡é", "a🌡é"]);
    assert.deepEqual(requests("chunk", single(wire)), ["a", "🌡", "é"]);
    assert.deepEqual(requests("chunk", [Buffer.from("a\r\n")]), ["a\r\n"]);
  });

  test("a request of exactly the bound passes, one byte more does not", () => {
    const fits = "x".repeat(64);
    for (const framing of ["chunk", "line", "block"] as const) {
      const wire = (text: string) => Buffer.from(frameAnswer(framing, text) as string);
      assert.deepEqual(requests(framing, [wire(fits)], 64), [fits]);
      assert.throws(() => requests(framing, [wire(`${fits}y`)], 64), { code: "limit" });
      // Before its end has come.
      if (framing !== "chunk") {
        assert.throws(() => requests(framing, [wire(`${fits}y${fits}`).subarray(0, 69)], 64), {
          code: "limit",
        });
      }
    }
  });

  test("what is not UTF-8 is refused, and the next request is read", () => {
    for (const [framing, bad] of [
      ["line", Buffer.from("\xff\xfe\n", "latin1")],
      ["block", block(Buffer.from("\xff\xfe", "latin1"))],
      ["chunk", Buffer.from("\xff\xfe", "latin1")],
    ] as const) {
      const framer = createFramer(framing, 100);
      framer.push(bad);
      assert.throws(() => framer.next(), { code: "invalid" });
      framer.push(Buffer.from(frameAnswer(framing, "ok") as string));
      assert.equal(framer.next(), "ok");
    }
  });

  test("bytes that come one by one hold little more memory than themselves", () => {
    const framer = createFramer("line", 1 << 20);
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 200_000; n++) {
      framer.push(Buffer.from("x"));
      assert.equal(framer.next(), undefined);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 << 20);
    framer.push(Buffer.from("\n"));
    assert.equal(framer.next()?.length, 200_000);
    assert.equal(framer.pending, 0);
  });
});

suite("the text of a request", () => {
  const named = { call: undefined } as const;
  const fixed = { call: "math.multiply" } as const;

  test("words are values where they are JSON, else texts", () => {
    assert.deepEqual(readRequest("math.sum 1 x  true\t[1,2] 1e3\n", { ...named, arguments: "words" }), {
      method: "math.sum",
      params: [1, "x", true, [1, 2], 1000],
    });
    assert.deepEqual(readRequest(" 6 7 \n", { ...fixed, arguments: "words" }), {
      method: "math.multiply",
      params: [6, 7],
    });
    assert.deepEqual(readRequest("123456789012345678901", { ...fixed, arguments: "words" }).params, [
      123456789012345678901n,
    ]);
    assert.throws(() => readRequest("9".repeat(5_000), { ...fixed, arguments: "words" }), { code: "limit" });
  });

  test("text is one string, as it came", () => {
    const text = { call: "text.upper", arguments: "text" } as const;
    assert.deepEqual(readRequest(" a b\n", text), { method: "text.upper", params: [" a b\n"] });
    assert.deepEqual(readRequest("text.upper  a b", { ...named, arguments: "text" }), {
      method: "text.upper",
      params: [" a b"],
    });
    assert.deepEqual(readRequest("", text).params, [""]);
  });

  test("JSON is an array or an object", () => {
    const json = { ...fixed, arguments: "json" } as const;
    assert.deepEqual(readRequest("[6, 7]", json).params, [6, 7]);
    assert.deepEqual(readRequest('{"a": 6, "b": 7}', json).params, { a: 6, b: 7 });
    assert.equal(readRequest("", json).params, undefined);
    assert.throws(() => readRequest("7", json), { code: "invalid" });
    assert.throws(() => readRequest("[", json), { code: "invalid" });
    assert.throws(() => readRequest(" \n", { ...named, arguments: "json" }), TetherError);
  });

  test("what browsers send is recognised, and what people send is not taken for it", () => {
    for (const request of [
      "GET / HTTP/1.1",
      "POST /RPC2 HTTP/1.0\r\nHost: x",
      `POST /${"a".repeat(70_000)}`,
      "GET http://x/ HTTP/1.1",
      "BREW pot HTTP/1.1",
      "PRI * HTTP/2.0",
      "\x16\x03\x01\x02",
    ]) {
      assert.ok(isOtherProtocol(request), request.slice(0, 40));
    }
    for (const request of ["GET", "get /x", "text.upper GET / HTTP/1.1 x".slice(0, 16), "6 7", "POST it"]) {
      assert.ok(!isOtherProtocol(request), request);
    }
    // A long line of blanks must not take long.
    assert.ok(!isOtherProtocol(`A${" ".repeat(1 << 20)}`));
  });
});
