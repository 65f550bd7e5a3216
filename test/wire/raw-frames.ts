/** The frame by hand, as docs/protocol.md draws it: independent of the code under test. */

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Numbers of the frame types. */
export const TYPE = {
  hello: 0x01,
  close: 0x02,
  ping: 0x03,
  pong: 0x04,
  open: 0x10,
  document: 0x11,
  data: 0x12,
  credit: 0x13,
  reset: 0x14,
} as const;

export const END = 0x01;
export const MORE = 0x02;

/** Kinds of streams. */
export const KIND = { pair: 1, call: 2 } as const;

/** One frame as bytes. */
export function rawFrame(type: number, stream = 0, payload: Uint8Array | string = "", flags = 0): Buffer {
  const body = Buffer.from(payload as string);
  return Buffer.concat([u32(body.length), Buffer.from([type, flags]), u32(stream), body]);
}

/** A HELLO with what a peer of version 1 says; `members` replace or add. */
export function rawHello(members: { readonly [name: string]: unknown } = {}): Buffer {
  const hello = { protocol: 1, oldest: 1, software: "test", features: [], ...members };
  return rawFrame(TYPE.hello, 0, JSON.stringify(hello));
}

/** An OPEN with its kind and first document. */
export function rawOpen(stream: number, kind: number, document: Uint8Array | string = "", flags = 0): Buffer {
  return rawFrame(
    TYPE.open,
    stream,
    Buffer.concat([Buffer.from([kind]), Buffer.from(document as string)]),
    flags,
  );
}

/** The text of a call. */
export function callText(method: string, params: unknown, id: number | string = 1): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Four bytes, big-endian. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Cuts bytes into whole frames and what is left of an unfinished one. */
export function splitFrames(bytes: Buffer): { readonly frames: RawFrame[]; readonly rest: Buffer } {
  const frames: RawFrame[] = [];
  let at = 0;
  while (bytes.length - at >= 10) {
    const end = at + 10 + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    frames.push({
      type: bytes[at + 4] as number,
      flags: bytes[at + 5] as number,
      stream: bytes.readUInt32BE(at + 6),
      payload: bytes.subarray(at + 10, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** The JSON object that a frame carries. */
export function jsonOf(frame: RawFrame | undefined): { readonly [name: string]: unknown } {
  return JSON.parse(String(frame?.payload)) as { readonly [name: string]: unknown };
}
