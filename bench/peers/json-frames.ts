import type { TLSSocket } from "node:tls";

/**
 * JSON documents, each behind its length as four big-endian bytes, on a TLS connection: the least that a protocol
 * of calls can be. What is sent in one tick is written at once.
 */
export class JsonFrames {
  readonly #socket: TLSSocket;
  #rest: Buffer = Buffer.alloc(0);
  #corked = false;

  constructor(socket: TLSSocket, onDocument: (document: unknown) => void) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      let at = 0;
      while (bytes.length - at >= 4) {
        const end = at + 4 + bytes.readUInt32BE(at);
        if (bytes.length < end) break;
        onDocument(JSON.parse(bytes.toString("utf8", at + 4, end)));
        at = end;
      }
      this.#rest = bytes.subarray(at);
    });
  }

  /** Sends one document. */
  send(document: unknown): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    const text = JSON.stringify(document);
    const length = Buffer.byteLength(text);
    const frame = Buffer.allocUnsafe(4 + length);
    frame.writeUInt32BE(length, 0);
    frame.write(text, 4, "utf8");
    this.#socket.write(frame);
  }
}
