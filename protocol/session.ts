import { TetherError } from "./errors.ts";
import { type Frame, FrameDecoder } from "./frame.ts";
import { FrameQueue } from "./frame-queue.ts";
import { WIRE } from "./limits.ts";
import {
  type AgentFacts,
  FRAME,
  type Hello,
  isStreamFrame,
  PROTOCOL,
  STREAM,
  type StreamName,
} from "./messages.ts";
import { reasonFrom, Stream, type StreamOwner } from "./stream.ts";

/** What a session tells the one who runs it. All are called from within the session's methods. */
export interface SessionEvents {
  /** The other side's first words; nothing else came before. */
  onHello(hello: Hello): void;
  /** The other side has opened a stream; its first document follows at once. */
  onOpen(stream: Stream): void;
  /** There is something to write, where there was nothing. */
  onOutput(): void;
  /** The session is over; `reason` is absent when the other side ended it in peace. */
  onClosed(reason: TetherError | undefined): void;
}

/** What differs between the two ends. */
export interface SessionOptions {
  /** Controllers open streams with odd numbers, agents with even ones. */
  readonly side: "controller" | "agent";
  readonly hello: Hello;
  /** Bytes of one document that the other side may send. */
  readonly documentBytes: number;
  readonly events: SessionEvents;
}

const KINDS = new Map<number, StreamName>(
  Object.entries(STREAM).map(([name, number]) => [number, name as StreamName]),
);

/**
 * One end of a connection: many streams, heartbeats, and the order in which bytes are written.
 *
 * It holds no socket and no timer: bytes are put in by {@link receive} and taken by {@link takeOutput}, time is
 * passed in. The first fatal reason is the one that everybody who waits is told.
 */
export class Session implements StreamOwner {
  readonly #options: SessionOptions;
  readonly #decoder = new FrameDecoder();
  readonly #queue = new FrameQueue();
  readonly #streams = new Map<number, Stream>();
  /** Streams with something to send and the credit for it, in turn. */
  readonly #waiting = new Set<Stream>();
  readonly #pings: (() => void)[] = [];
  #nextStream: number;
  #gathered = 0;
  #held = 0;
  #heard: number;
  #pinged: number;
  #greeted = false;
  #closed = false;
  #dismissed = false;

  /** `now` is the present moment in milliseconds of any steady clock; all other moments are of the same one. */
  constructor(options: SessionOptions, now: number) {
    this.#options = options;
    this.#heard = now;
    this.#pinged = now;
    this.#nextStream = options.side === "controller" ? 1 : 2;
    this.#sendText(FRAME.HELLO, JSON.stringify(options.hello));
  }

  /** True once the session is over. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** True once the other side has said that it ends the session, which then has not just broken off. */
  get isDismissed(): boolean {
    return this.#dismissed;
  }

  /** Streams open now. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** True when {@link takeOutput} would give something. */
  get hasOutput(): boolean {
    return this.#queue.bytes > 0 || this.#waiting.size > 0;
  }

  /** Bytes that wait to be written before any bulk. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** Takes in what the connection brought. */
  receive(chunk: Buffer, now: number): void {
    if (this.#closed) return;
    this.#heard = now;
    try {
      for (const frame of this.#decoder.push(chunk)) {
        this.#handle(frame);
        if (this.#closed) return;
      }
    } catch (error) {
      // A fault of ours ends this session and no other; the other side learns nothing about it.
      const fault = () => new TetherError("internal", "a fault of this program", { cause: error });
      this.close(error instanceof TetherError ? error : fault());
    }
  }

  /** Looks at the clock: asks a silent peer for a sign of life, and gives up one that stays silent. */
  tick(now: number): void {
    if (this.#closed) return;
    if (now - this.#heard >= WIRE.heartbeatTimeout) {
      this.close(new TetherError("unreachable", `no sign of life for ${WIRE.heartbeatTimeout / 1000} s`));
    } else if (now - Math.max(this.#heard, this.#pinged) >= WIRE.heartbeatInterval) {
      this.ping(() => undefined, now);
    }
  }

  /** For whoever stopped reading on purpose: the peer's silence is not its own. */
  excuseSilence(now: number): void {
    this.#heard = now;
  }

  /** Asks for a sign of life and calls `onPong` when it comes. */
  ping(onPong: () => void, now: number): void {
    this.#pinged = now;
    if (this.#pings.length >= WIRE.streams) return;
    this.#pings.push(onPong);
    this.send(FRAME.PING, 0, 0, "", 0);
  }

  /** Opens a stream with its first document. Throws `limit` when too many are open, `unreachable` after the end. */
  open(kind: StreamName, document: string, end: boolean, handlers: Stream["handlers"]): Stream {
    if (this.#closed) throw new TetherError("unreachable", "the connection is closed");
    if (this.#streams.size >= WIRE.streams) {
      throw new TetherError("limit", `more than ${WIRE.streams} streams on one connection`);
    }
    while (this.#streams.has(this.#nextStream)) this.#advance();
    const stream = new Stream(this.#nextStream, kind, this, this.#options.documentBytes);
    this.#advance();
    stream.handlers = handlers;
    this.#streams.set(stream.id, stream);
    stream.open(STREAM[kind], document, end);
    return stream;
  }

  /**
   * Gives what is to be written now, about `budget` bytes of it: what is urgent first, then bulk in turn.
   * The buffers belong to the caller.
   */
  takeOutput(budget: number): Buffer[] {
    // One frame a stream and round, so that streams share the line however much each has.
    for (const stream of this.#waiting) {
      const left = budget - this.#queue.bytes;
      if (left <= 0) break;
      this.#waiting.delete(stream);
      stream.takePending(Math.min(left, WIRE.framePayload));
      if (stream.canSend) this.#waiting.add(stream);
    }
    return this.#queue.take(budget);
  }

  /** What to call once a buffer that {@link takeOutput} gave has been written, where somebody waits for that. */
  takeWritten(buffer: Buffer): (() => void) | undefined {
    return this.#queue.takeWritten(buffer);
  }

  /** Ends the session; with a `reason` the other side is told. What is queued can still be taken and written. */
  close(reason?: TetherError): void {
    if (this.#closed) return;
    this.#sendText(FRAME.CLOSE, reason === undefined ? "" : JSON.stringify(reason));
    this.abandon(reason);
  }

  /** Ends the session without a word to the other side, as when the connection broke. */
  abandon(reason: TetherError | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    const told = reason ?? new TetherError("unreachable", "the connection was closed");
    for (const stream of [...this.#streams.values()]) stream.abandon(told);
    this.#options.events.onClosed(reason);
  }

  send(type: number, flags: number, stream: number, payload: Uint8Array | string, length: number): void {
    if (this.#closed) return;
    const idle = !this.hasOutput;
    this.#queue.add(type, flags, stream, payload, length);
    if (idle) this.#options.events.onOutput();
  }

  sendReady(frame: Buffer, written: () => void): void {
    if (this.#closed) return;
    const idle = !this.hasOutput;
    this.#queue.addReady(frame, written);
    if (idle) this.#options.events.onOutput();
  }

  wake(stream: Stream): void {
    const idle = !this.hasOutput;
    this.#waiting.add(stream);
    if (idle) this.#options.events.onOutput();
  }

  gather(bytes: number): boolean {
    this.#gathered += bytes;
    return this.#gathered <= WIRE.unfinishedDocuments;
  }

  hold(bytes: number): boolean {
    this.#held += bytes;
    return this.#held <= WIRE.waitingDocuments;
  }

  release(stream: Stream): void {
    this.#waiting.delete(stream);
    this.#streams.delete(stream.id);
  }

  #handle(frame: Frame): void {
    if (!this.#greeted) {
      if (frame.type !== FRAME.HELLO) throw new TetherError("invalid", "the first frame is not HELLO");
      this.#greeted = true;
      this.#options.events.onHello(this.#readHello(frame.payload));
      return;
    }
    if (frame.type === FRAME.OPEN) this.#opened(frame);
    // A stream that is over may still get what was on its way; only who opens can begin one.
    else if (isStreamFrame(frame.type)) this.#streams.get(frame.stream)?.receive(frame);
    else this.#handleConnection(frame);
  }

  #handleConnection(frame: Frame): void {
    switch (frame.type) {
      case FRAME.HELLO:
        throw new TetherError("invalid", "a second HELLO");
      case FRAME.CLOSE:
        this.#dismissed = true;
        this.abandon(
          frame.payload.length === 0
            ? undefined
            : reasonFrom(frame.payload, new TetherError("unreachable", "closed without a reason")),
        );
        break;
      case FRAME.PING:
        if (frame.payload.length > 8) throw new TetherError("invalid", "a PING with more than 8 bytes");
        this.send(FRAME.PONG, 0, 0, Buffer.from(frame.payload), frame.payload.length);
        break;
      case FRAME.PONG:
        this.#pings.shift()?.();
        break;
    }
  }

  #opened(frame: Frame): void {
    const { side, events, documentBytes } = this.#options;
    const own = side === "controller" ? 1 : 0;
    if (frame.stream === 0 || frame.stream % 2 === own || this.#streams.has(frame.stream)) {
      throw new TetherError("invalid", `OPEN with the stream number ${frame.stream}`);
    }
    const number = frame.payload[0];
    if (number === undefined) throw new TetherError("invalid", "an OPEN frame without a kind");
    const kind = KINDS.get(number);
    if (kind === undefined || this.#streams.size >= WIRE.streams) {
      const error =
        kind === undefined
          ? new TetherError("not-found", `streams of kind ${number} are not known here`, {
              hint: "update Tether",
            })
          : new TetherError("busy", `more than ${WIRE.streams} streams at once on one connection`);
      this.#sendText(FRAME.RESET, JSON.stringify(error), frame.stream);
      return;
    }
    const stream = new Stream(frame.stream, kind, this, documentBytes);
    this.#streams.set(stream.id, stream);
    events.onOpen(stream);
    stream.receive(frame);
  }

  #readHello(payload: Buffer): Hello {
    const hello = parseHello(payload.toString("utf8"));
    if (hello.protocol < PROTOCOL.oldest || hello.oldest > PROTOCOL.version) {
      throw new TetherError(
        "invalid",
        `${hello.software} speaks versions ${hello.oldest} to ${hello.protocol} of the protocol, ` +
          `this side ${PROTOCOL.oldest} to ${PROTOCOL.version}`,
        { hint: "update the older side" },
      );
    }
    return hello;
  }

  #sendText(type: number, text: string, stream = 0): void {
    this.send(type, 0, stream, text, Buffer.byteLength(text));
  }

  #advance(): void {
    this.#nextStream += 2;
    if (this.#nextStream > 0xffff_ffff) this.#nextStream = this.#options.side === "controller" ? 1 : 2;
  }
}

function parseHello(text: string): Hello {
  let value: Partial<Record<keyof Hello, unknown>>;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw new TetherError("invalid", "a HELLO that is not JSON");
  }
  const { protocol, oldest, software, features, agent } = value ?? {};
  if (!Number.isInteger(protocol) || !Number.isInteger(oldest)) {
    throw new TetherError("invalid", "a HELLO without the numbers `protocol` and `oldest`");
  }
  const hello: Hello = {
    protocol: protocol as number,
    oldest: oldest as number,
    software: typeof software === "string" ? software.slice(0, 100) : "a peer that gave no name",
    features: Array.isArray(features) ? features.filter((name) => typeof name === "string") : [],
  };
  const facts = readAgentFacts(agent);
  return facts === undefined ? hello : { ...hello, agent: facts };
}

/** What an agent says of itself; undefined when it says nothing that is whole. */
function readAgentFacts(value: unknown): AgentFacts | undefined {
  const { id, instance, name, tags, role } = (value ?? {}) as Partial<Record<keyof AgentFacts, unknown>>;
  if (typeof id !== "string" || typeof name !== "string" || typeof role !== "string") return undefined;
  const texts = Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
  return { id, ...(typeof instance === "string" && { instance }), name, role, tags: texts };
}
