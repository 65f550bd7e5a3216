import type { Duplex } from "node:stream";
import { COMPUTE, type JsonObject, parseJson, TetherError, writeJson } from "../../protocol/index.ts";

/** What a channel tells the one who runs it. */
export interface ChannelEvents {
  /** A message; `body` is the JSON text of the value that it carries, empty where it carries none. */
  onMessage(header: JsonObject, body: string): void;
  /** The other side broke the form of messages; nothing more is read. */
  onBroken(error: TetherError): void;
}

const LENGTH_BYTES = 4;

/**
 * Messages between the agent and a process of procedures, over a pipe: 4 bytes of length, then a header in JSON,
 * and after a newline the value that it is about, in JSON with exact integers.
 *
 * The value is text of its own, so that nesting and size are those of the value alone.
 */
export class Channel {
  readonly #stream: Duplex;
  readonly #events: ChannelEvents;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes that must have come before there is something to read. */
  #wanted = LENGTH_BYTES;
  #broken = false;

  constructor(stream: Duplex, events: ChannelEvents) {
    this.#stream = stream;
    this.#events = events;
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    // The end of the process, or of the agent, says the same.
    stream.on("error", () => undefined);
  }

  /** Sends a message; `body` is JSON text. Throws `limit` when it is too long. */
  send(header: JsonObject, body = ""): void {
    const text = body === "" ? writeJson(header) : `${writeJson(header)}\n${body}`;
    const length = Buffer.byteLength(text);
    if (length > COMPUTE.message) {
      throw new TetherError("limit", `a message of ${length} bytes; allowed: ${COMPUTE.message}`);
    }
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + length);
    frame.writeUInt32BE(length, 0);
    frame.write(text, LENGTH_BYTES, "utf8");
    if (!this.#stream.destroyed) this.#stream.write(frame);
  }

  #take(chunk: Buffer): void {
    if (this.#broken) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    try {
      while (this.#bytes >= this.#wanted) this.#read();
    } catch (thrown) {
      this.#broken = true;
      this.#chunks = [];
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      this.#events.onBroken(new TetherError("internal", `a message that cannot be read: ${why}`));
    }
  }

  /** Reads the length of the next message, or the message. */
  #read(): void {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    const length = bytes.readUInt32BE(0);
    if (length > COMPUTE.message) throw new TetherError("limit", `${length} bytes`);
    const end = LENGTH_BYTES + length;
    this.#wanted = end;
    if (bytes.length < end) return;
    const text = bytes.toString("utf8", LENGTH_BYTES, end);
    this.#chunks = [bytes.subarray(end)];
    this.#bytes = bytes.length - end;
    this.#wanted = LENGTH_BYTES;
    const newline = text.indexOf("\n");
    const header = parseJson(newline < 0 ? text : text.slice(0, newline));
    if (typeof header !== "object" || header === null || Array.isArray(header)) {
      throw new TetherError("invalid", "no object");
    }
    this.#events.onMessage(header, newline < 0 ? "" : text.slice(newline + 1));
  }
}
