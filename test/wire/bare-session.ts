import { type Hello, Session, type Stream, type TetherError } from "../../protocol/index.ts";
import { type RawFrame, rawHello, splitFrames } from "./raw-frames.ts";

/** A session without a connection, whose other side the test plays, and what happened to it. */
export class BareSession {
  readonly session: Session;
  readonly opened: Stream[] = [];
  hello: Hello | undefined;
  /** How often it ended, and the reason of the first time. */
  closed = 0;
  reason: TetherError | undefined;
  /** The moment, in milliseconds. */
  now = 0;

  constructor(
    side: "agent" | "controller",
    options: { readonly documentBytes?: number; readonly onOpen?: (stream: Stream) => void } = {},
  ) {
    this.session = new Session(
      {
        side,
        hello: { protocol: 1, oldest: 1, software: "tested", features: [] },
        documentBytes: options.documentBytes ?? 1 << 20,
        events: {
          onHello: (hello) => {
            this.hello = hello;
          },
          onOpen: (stream) => {
            this.opened.push(stream);
            options.onOpen?.(stream);
          },
          onOutput: () => undefined,
          onClosed: (reason) => {
            if (this.closed++ === 0) this.reason = reason;
          },
        },
      },
      this.now,
    );
  }

  /** Brings bytes from the other side; HELLO is {@link greet}. */
  receive(...chunks: readonly Uint8Array[]): this {
    for (const chunk of chunks) this.session.receive(Buffer.from(chunk), this.now);
    return this;
  }

  greet(): this {
    return this.receive(rawHello());
  }

  /** Takes what waits to be written, at most about `budget` bytes of bulk. */
  bytes(budget = 1 << 30): Buffer {
    const buffers: Buffer[] = [];
    while (this.session.hasOutput) {
      const more = this.session.takeOutput(budget);
      if (more.length === 0) break;
      buffers.push(...more);
      budget -= more.reduce((sum, { length }) => sum + length, 0);
      if (budget <= 0) break;
    }
    return Buffer.concat(buffers);
  }

  /** The same as frames. */
  frames(budget?: number): RawFrame[] {
    return splitFrames(this.bytes(budget)).frames;
  }
}

/** Carries bytes between two sessions until neither has more to say; gives the bytes carried. */
export function carry(one: BareSession, other: BareSession): number {
  let carried = 0;
  while (one.session.hasOutput || other.session.hasOutput) {
    const before = carried;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const bytes = from.bytes();
      carried += bytes.length;
      if (bytes.length > 0) to.receive(bytes);
    }
    if (carried === before) break;
  }
  return carried;
}
