/**
 * The one table of the native wire: number, name, where it may stand, what it carries.
 *
 * Numbers are never used again for something else. A receiver skips the numbers it does not know.
 */

/** Version of the wire that this code speaks, and the oldest it still speaks. */
export const PROTOCOL = { version: 1, oldest: 1 } as const;

/** ALPN protocol name (RFC 7301) of the native wire. */
export const ALPN = "tether";

/** Frame types. `document` frames are parsed whole; the others pass as they come. */
export const FRAME = {
  /** Connection, both ways, first and once: a JSON {@link Hello}. */
  HELLO: 0x01,
  /** Connection, both ways, last: JSON `{code, message, hint?}`, or nothing when all is well. */
  CLOSE: 0x02,
  /** Connection, both ways: up to 8 bytes that come back in a PONG. */
  PING: 0x03,
  /** Connection, both ways: the bytes of the PING. */
  PONG: 0x04,
  /** Stream, from who opens it: one byte of {@link STREAM} kind, then the first document. */
  OPEN: 0x10,
  /** Stream, both ways: a JSON document, or a piece of one when MORE is set. */
  DOCUMENT: 0x11,
  /** Stream, both ways: bytes; the flags' upper half is the channel. */
  DATA: 0x12,
  /** Stream, both ways: u32, how many more bytes the other side may send. */
  CREDIT: 0x13,
  /** Stream, both ways: ends it at once in both directions; JSON `{code, message, hint?}`. */
  RESET: 0x14,
} as const;

/** Frame flags. */
export const FLAG = {
  /** The last frame of this side of the stream. */
  END: 0x01,
  /** The document goes on in the next DOCUMENT frame. */
  MORE: 0x02,
} as const;

/** What a stream is for: the first byte of OPEN. */
export const STREAM = {
  /** Pairing; the only kind that an unpaired connection may open. */
  pair: 1,
  /** One JSON-RPC 2.0 request or batch, and its answer. */
  call: 2,
  /** The agent's log: what it kept, and with `follow` what comes. */
  logs: 3,
  /** Files, one way: a JSON request, records in DATA from the sender, JSON reports from the receiver. */
  files: 4,
  /** The readings and the state of a device: a JSON request, then a document for every change. */
  watch: 5,
  /** A program: a JSON request, its input and output in DATA, JSON orders and reports. */
  exec: 6,
  /** One TCP connection to a port of the agent's machine: `{"port"}`, then DATA both ways. */
  forward: 7,
  /** A serial port: a JSON request, its bytes in DATA both ways, JSON orders and reports. */
  serial: 8,
} as const;

/** Name of a stream kind. */
export type StreamName = keyof typeof STREAM;

/** What each side says first. Unknown members are skipped. */
export interface Hello {
  /** Newest version of the wire that this side speaks. */
  readonly protocol: number;
  /** Oldest version that it still speaks. */
  readonly oldest: number;
  /** Program and version, for people. */
  readonly software: string;
  /** Names of what this side can do beyond the version's least. */
  readonly features: readonly string[];
  /** Only from an agent to a controller that it has paired with. */
  readonly agent?: AgentFacts;
}

/** What an agent tells a paired controller about itself. */
export interface AgentFacts {
  readonly id: string;
  /** Another one at each start of the agent; absent where it knows no keyed calls. */
  readonly instance?: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly role: string;
}

/** True for the frame types that stand on a stream. */
export function isStreamFrame(type: number): boolean {
  return type >= FRAME.OPEN && type <= FRAME.RESET;
}
