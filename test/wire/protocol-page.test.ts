import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  ALPN,
  agentProof,
  CALLS,
  CONNECTIONS,
  controllerProof,
  errorToRpc,
  FLAG,
  FRAME,
  isErrorCode,
  JSON_TEXT,
  PAIRING,
  PAIRING_EXPORTER_LABEL,
  parsePairingCode,
  STREAM,
  TetherError,
  WIRE,
} from "../../protocol/index.ts";
import { splitFrames } from "./raw-frames.ts";
import { playTranscript } from "./transcript.ts";

const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

/** The rows of the table whose head begins so, as cells. */
function table(head: string): string[][] {
  const [, rows = ""] = page.split(`\n| ${head} |`, 2);
  return [...(rows.split("\n\n", 1)[0]?.matchAll(/^\| (.*) \|$/gm) ?? [])]
    .map(([, row = ""]) => row.split(" | "))
    .filter(([first]) => first !== "---");
}

/** The block of that language, or the first one after a text. */
function block(marker: string): string {
  return /```\w*\n([^`]*)```/.exec(page.slice(page.indexOf(marker)))?.[1] ?? "";
}

function numbered(rows: string[][]): { [name: string]: number } {
  return Object.fromEntries(rows.map(([number, name]) => [name, Number(number)]));
}

test("the page has every frame type, flag, kind of stream and error code", () => {
  assert.deepEqual(numbered(table("type | name | on | payload")), { ...FRAME });
  const { channel, ...flags } = numbered(table("flag | name | on | meaning"));
  assert.deepEqual(flags, { ...FLAG });
  assert.equal(channel, 0xf0);
  assert.deepEqual(numbered(table("kind | name | needs | what it is")), { ...STREAM });
  for (const [code, rpc, exit] of table("code | JSON-RPC | exit code of `tether`")) {
    assert.ok(isErrorCode(code), code);
    const error = new TetherError(code, "");
    assert.deepEqual([Number(rpc), Number(exit)], [errorToRpc(error).code, error.exitCode], code);
  }
  const codes = readFileSync(new URL("../../protocol/errors.ts", import.meta.url), "utf8").match(/\{ rpc: /g);
  assert.equal(table("code | JSON-RPC | exit code of `tether`").length, codes?.length);
});

test("the page names the limits that hold", () => {
  const limits = Object.fromEntries(
    table("what | most | beyond it").map(([what, most = ""]) => [what, most]),
  );
  const expected = {
    "payload of DATA, and of an unknown frame": WIRE.framePayload,
    "payload of every other frame": WIRE.documentFrame,
    "window of a stream at its beginning": WIRE.initialWindow,
    "credit open on a stream": WIRE.largestWindow,
    "streams that one side has open": WIRE.streams,
    "a request": CALLS.requestBytes,
    "a result, and the answers of a batch together": CALLS.resultBytes,
    "unfinished documents of a connection": WIRE.unfinishedDocuments,
    "answers of a connection that wait for credit": WIRE.waitingDocuments,
    "output of a connection that the peer does not take": WIRE.queuedOutput,
    "calls of a batch": CALLS.batch,
    "calls waiting or running in the agent": CALLS.queued,
    "digits of an integer": JSON_TEXT.integerDigits,
    "nesting of a document": JSON_TEXT.depth,
    "`timeoutMs`": CALLS.longestTimeout,
    silence: WIRE.heartbeatTimeout,
    "the TLS handshake": WIRE.handshake,
    "paired connections": CONNECTIONS.total,
    "connections from one address": CONNECTIONS.perAddress,
    "unpaired connections": CONNECTIONS.unpaired,
    "life of an unpaired connection": CONNECTIONS.unpairedLifetime,
    "bytes from an unpaired connection": CONNECTIONS.unpairedBytes,
  };
  assert.deepEqual(Object.keys(limits).sort(), Object.keys(expected).sort());
  for (const [what, most] of Object.entries(expected)) {
    assert.equal(Number.parseInt(String(limits[what]).replaceAll(",", ""), 10), most, what);
  }
  const wrongTries = `after ${PAIRING.triesPerAddress} wrong ones a minute from one address, or ${PAIRING.triesInAll} in all`;
  assert.ok(page.includes(wrongTries));
  assert.ok(page.includes(`| ALPN | \`${ALPN}\` |`));
  assert.ok(page.includes(`After ${WIRE.heartbeatInterval / 1000} s without a byte`));
});

test("the proofs of pairing are those of the page", () => {
  assert.ok(page.includes(`label "${PAIRING_EXPORTER_LABEL}"`));
  const transcript = {
    code: parsePairingCode(/With code `([^`]*)`/.exec(page)?.[1] ?? ""),
    exporter: Buffer.alloc(32, 1),
    controllerKeyHash: Buffer.alloc(32, 2),
    agentKeyHash: Buffer.alloc(32, 3),
  };
  const proofs = `controller proof ${controllerProof(transcript).toString("base64")}\nagent proof      ${agentProof(transcript).toString("base64")}\n`;
  assert.equal(block("With code `"), proofs);
});

test("the session of the page is what two sides write, byte for byte", async () => {
  const shown: { side: string; hex: string; says: string }[] = [];
  let says = "";
  for (const line of block("```transcript").trim().split("\n")) {
    if (line.startsWith("#")) says = line;
    else if (line.startsWith("  ")) (shown.at(-1) as { hex: string }).hex += line.trim();
    else shown.push({ side: line.slice(0, 1), hex: line.slice(1).replaceAll(" ", ""), says });
  }
  const played = await playTranscript();
  const frames = played.flatMap(({ side, bytes }) => {
    const split = splitFrames(bytes);
    assert.equal(split.rest.length, 0);
    return split.frames.map((frame) => ({ side, frame }));
  });
  assert.deepEqual(
    shown.map(({ side, hex }) => `${side} ${hex}`).join("\n"),
    played
      .flatMap(({ side, bytes }) => cut(bytes).map((frame) => `${side} ${frame.toString("hex")}`))
      .join("\n"),
  );
  const names = new Map<number, string>(Object.entries(FRAME).map(([name, number]) => [number, name]));
  for (const [index, { frame }] of frames.entries()) {
    const comment = String(shown[index]?.says);
    assert.ok(comment.startsWith(`# ${names.get(frame.type)}`), comment);
    const text = String(frame.type === FRAME.OPEN ? frame.payload.subarray(1) : frame.payload);
    if (frame.type !== FRAME.CREDIT) assert.ok(comment.endsWith(text), comment);
  }
});

/** Bytes of whole frames, one buffer each. */
function cut(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 10 + bytes.readUInt32BE(at);
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}
