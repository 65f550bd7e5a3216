import { isUtf8 } from "node:buffer";
import { TetherError } from "./errors.ts";
import { encodeFrame, type Frame, HEADER_BYTES, writeHeader } from "./frame.ts";
import { WIRE } from "./limits.ts";
import { FLAG, FRAME, type StreamName } from "./messages.ts";

/** What a stream tells the one who uses it. All are called from within `Session.receive` or `Session.close`. */
export interface StreamHandlers {
  /** A whole document; `bytes` of it count as consumed, unless `consumesDocuments` says otherwise. */
  onDocument?(text: string, bytes: number): void;
  /** True where whoever takes documents says with {@link Stream.consumed} when the next may come. */
  readonly consumesDocuments?: boolean;
  /** Bytes on a channel; whoever takes them says so with {@link Stream.consumed}. */
  onData?(bytes: Buffer, channel: number): void;
  /** The other side has sent all that it will. */
  onEnd?(): void;
  /** The stream is over before its time: reset by the other side, or the session ended. */
  onReset?(error: TetherError): void;
  /** All that waited for credit has been taken. */
  onDrain?(): void;
}

/** What a stream needs of its session. */
export interface StreamOwner {
  /** Queues a frame to be written before any that waits in a stream. */
  send(type: number, flags: number, stream: number, payload: Uint8Array | string, length: number): void;
  /** Queues a frame whose bytes are ready, header included; `written` is called once they may be used again. */
  sendReady(frame: Buffer, written: () => void): void;
  /** The stream has something to send and the credit for it. */
  wake(stream: Stream): void;
  /** Counts bytes of unfinished documents, in all streams; false when there are too many. */
  gather(bytes: number): boolean;
  /** Counts bytes of documents that wait for credit, in all streams; false when there are too many. */
  hold(bytes: number): boolean;
  /** The stream is over in both directions. */
  release(stream: Stream): void;
}

/** Something that waits for credit. */
interface Pending {
  type: number;
  readonly bytes: Buffer;
  at: number;
  readonly channel: number;
  readonly end: boolean;
  readonly bulk: Bulk | undefined;
}

/** A payload with room for the header before it. */
interface Bulk {
  readonly buffer: Buffer;
  readonly start: number;
  readonly written: () => void;
}

/** One of the many conversations that share a connection. */
export class Stream {
  readonly id: number;
  readonly kind: StreamName;
  handlers: StreamHandlers = {};
  readonly #owner: StreamOwner;
  readonly #documentBytes: number;
  #sendCredit: number = WIRE.initialWindow;
  #receiveCredit: number = WIRE.initialWindow;
  /** Bytes consumed but not yet granted again. */
  #owed = 0;
  #pending: Pending[] = [];
  /** The beginning of a document, in a buffer that doubles: one copy however small the pieces are. */
  #unfinished: Buffer | undefined;
  #unfinishedBytes = 0;
  #localEnd = false;
  #remoteEnd = false;
  #over = false;

  /** `documentBytes` bounds one document that the other side sends. */
  constructor(id: number, kind: StreamName, owner: StreamOwner, documentBytes: number) {
    this.id = id;
    this.kind = kind;
    this.#owner = owner;
    this.#documentBytes = documentBytes;
  }

  /** True once nothing more can come or go. */
  get isOver(): boolean {
    return this.#over;
  }

  /** True while something waits for credit or for its turn; a sender of bulk waits for `onDrain` then. */
  get isWaiting(): boolean {
    return this.#pending.length > 0;
  }

  /** Sends the first document, which opens the stream on the other side. */
  open(kind: number, document: string, end: boolean): void {
    const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(document));
    bytes[0] = kind;
    bytes.write(document, 1, "utf8");
    if (bytes.length <= WIRE.documentFrame) {
      this.#sendCredit -= bytes.length;
      this.#owner.send(FRAME.OPEN, end ? FLAG.END : 0, this.id, bytes, bytes.length);
      if (end) this.#ended();
    } else {
      this.#owner.hold(bytes.length);
      this.#submit(FRAME.OPEN, bytes, 0, end);
    }
  }

  /**
   * Sends a document; with `end` it is the last of this side. The stream ends instead when the other side lets
   * too much wait.
   */
  sendDocument(document: string, end = false): void {
    if (this.#localEnd || this.#over) return;
    const length = Buffer.byteLength(document);
    if (this.#pending.length === 0 && length <= this.#sendCredit && length <= WIRE.documentFrame) {
      this.#sendCredit -= length;
      this.#owner.send(FRAME.DOCUMENT, end ? FLAG.END : 0, this.id, document, length);
      if (end) this.#ended();
    } else if (this.#owner.hold(length)) {
      this.#submit(FRAME.DOCUMENT, Buffer.from(document, "utf8"), 0, end);
    } else {
      this.#owner.hold(-length);
      this.#refuse(`more than ${WIRE.waitingDocuments} bytes wait to be read on this connection`);
    }
  }

  /** Sends bytes on a channel, 0 to 15. The buffer belongs to the stream from then on: it is written later. */
  sendData(bytes: Buffer, channel = 0, end = false): void {
    if (this.#localEnd || this.#over) return;
    this.#submit(FRAME.DATA, bytes, channel, end);
  }

  /**
   * Sends DATA that nobody copies: bytes `start` to `end` of `buffer`, of which the {@link HEADER_BYTES} before
   * `start` are the stream's, to write the frame's header in. `written` is called once the buffer may be used
   * again; never, when the stream is over before.
   */
  sendBulk(buffer: Buffer, start: number, end: number, written: () => void): void {
    if (this.#localEnd || this.#over) return;
    this.#submit(FRAME.DATA, buffer.subarray(start, end), 0, false, { buffer, start, written });
  }

  /** Says that this side has sent all. */
  end(): void {
    if (!this.#localEnd) this.sendData(Buffer.alloc(0), 0, true);
  }

  /** Ends the stream in both directions at once; `error` is what the other side is told. */
  reset(error: TetherError): void {
    if (this.#over) return;
    const reason = JSON.stringify(error);
    this.#owner.send(FRAME.RESET, 0, this.id, reason, Buffer.byteLength(reason));
    this.#finish();
  }

  /** Says that `bytes` of DATA have been dealt with, so that the other side may send as many more. */
  consumed(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed >= WIRE.initialWindow / 2 && !this.#remoteEnd && !this.#over) this.grant(0);
  }

  /** Lets the other side send `bytes` more than the window, as a bulk receiver does at the start. */
  grant(bytes: number): void {
    const credit = this.#owed + bytes;
    this.#owed = 0;
    this.#receiveCredit += credit;
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32BE(credit, 0);
    this.#owner.send(FRAME.CREDIT, 0, this.id, payload, 4);
  }

  /** For the session: a frame of this stream. Throws `invalid` or `limit` when the peer broke a rule. */
  receive(frame: Frame): void {
    // Refused while it was opened.
    if (this.#over) return;
    switch (frame.type) {
      case FRAME.OPEN:
        this.#spend(frame.payload.length);
        this.#document(frame.payload.subarray(1), frame.flags);
        break;
      case FRAME.DOCUMENT:
        this.#spend(frame.payload.length);
        this.#document(frame.payload, frame.flags);
        break;
      case FRAME.DATA:
        this.#spend(frame.payload.length);
        if (this.#unfinished !== undefined)
          throw new TetherError("invalid", "DATA inside an unfinished document");
        if (frame.payload.length > 0) {
          if (this.handlers.onData) this.handlers.onData(frame.payload, frame.flags >> 4);
          else this.consumed(frame.payload.length);
        }
        if (frame.flags & FLAG.END) this.#endedRemotely();
        break;
      case FRAME.CREDIT:
        this.#credited(frame.payload);
        break;
      case FRAME.RESET:
        this.abandon(resetReason(frame.payload));
        break;
    }
  }

  /** For the session: ends the stream without telling the other side. */
  abandon(error: TetherError): void {
    if (this.#over) return;
    const { onReset } = this.handlers;
    this.#finish();
    onReset?.call(this.handlers, error);
  }

  /** For the session: hands over what waits, as far as credit reaches and until about `budget` bytes; gives the bytes. */
  takePending(budget: number): number {
    let taken = 0;
    while (taken < budget) {
      const item = this.#pending[0];
      if (item === undefined) break;
      const remaining = item.bytes.length - item.at;
      const most = item.type === FRAME.DATA ? WIRE.framePayload : WIRE.documentFrame;
      const length = Math.min(remaining, most, this.#sendCredit);
      if (length === 0 && remaining > 0) break;
      const last = length === remaining;
      const piece = item.bytes.subarray(item.at, item.at + length);
      const ends = last && item.end ? FLAG.END : 0;
      const flags = item.type === FRAME.DATA ? ends | (item.channel << 4) : last ? ends : FLAG.MORE;
      this.#sendCredit -= length;
      if (item.bulk === undefined) this.#owner.send(item.type, flags, this.id, piece, length);
      else this.#sendBulkPiece(item.bulk, piece, flags, item.at === 0, last);
      if (item.type !== FRAME.DATA) this.#owner.hold(-length);
      taken += length + 1;
      item.at += length;
      if (item.type === FRAME.OPEN) item.type = FRAME.DOCUMENT;
      if (!last) continue;
      this.#pending.shift();
      if (item.end) this.#ended();
    }
    if (taken > 0 && this.#pending.length === 0 && !this.#over) this.handlers.onDrain?.();
    return taken;
  }

  /** For the session: true when there is something that credit allows to send. */
  get canSend(): boolean {
    const item = this.#pending[0];
    return item !== undefined && (this.#sendCredit > 0 || item.bytes.length === 0);
  }

  /** Only a first piece has its header's room before it; the bytes before a later one are still to be written. */
  #sendBulkPiece(bulk: Bulk, piece: Buffer, flags: number, first: boolean, last: boolean): void {
    const { buffer, start } = bulk;
    const written = last ? bulk.written : () => undefined;
    if (first) {
      writeHeader(buffer, start - HEADER_BYTES, piece.length, FRAME.DATA, flags, this.id);
      this.#owner.sendReady(buffer.subarray(start - HEADER_BYTES, start + piece.length), written);
    } else {
      this.#owner.sendReady(encodeFrame(FRAME.DATA, flags, this.id, piece), written);
    }
  }

  #submit(type: number, bytes: Buffer, channel: number, end: boolean, bulk?: Bulk): void {
    this.#pending.push({ type, bytes, at: 0, channel, end, bulk });
    if (this.canSend) this.#owner.wake(this);
  }

  #spend(bytes: number): void {
    if (this.#remoteEnd) throw new TetherError("invalid", `stream ${this.id} goes on after its end`);
    this.#receiveCredit -= bytes;
    if (this.#receiveCredit < 0)
      throw new TetherError("limit", `stream ${this.id} sent more than its credit`);
  }

  #document(piece: Buffer, flags: number): void {
    if (this.#unfinishedBytes + piece.length > this.#documentBytes) {
      this.#refuse(`a document of more than ${this.#documentBytes} bytes`);
      return;
    }
    const unfinished = this.#unfinished !== undefined;
    if (flags & FLAG.MORE) {
      if (flags & FLAG.END) throw new TetherError("invalid", "a frame with both END and MORE");
      // Credit at once: the document has to arrive whole before anyone can consume it.
      if (this.#append(piece)) this.consumed(piece.length);
      else this.#refuse("too many unfinished documents on this connection");
      return;
    }
    if (unfinished) this.#append(piece);
    const whole = this.#unfinished?.subarray(0, this.#unfinishedBytes) ?? piece;
    this.#forgetUnfinished();
    if (!isUtf8(whole)) throw new TetherError("invalid", `stream ${this.id}: a document that is not UTF-8`);
    if (this.handlers.consumesDocuments !== true) this.consumed(piece.length);
    this.handlers.onDocument?.(whole.toString("utf8"), piece.length);
    if (flags & FLAG.END) this.#endedRemotely();
  }

  /** Adds a piece to the unfinished document; false when the connection holds too many. */
  #append(piece: Buffer): boolean {
    const bytes = this.#unfinishedBytes + piece.length;
    if (this.#unfinished === undefined || this.#unfinished.length < bytes) {
      const larger = Buffer.allocUnsafe(Math.min(2 * bytes, this.#documentBytes));
      this.#unfinished?.copy(larger, 0, 0, this.#unfinishedBytes);
      this.#unfinished = larger;
    }
    piece.copy(this.#unfinished, this.#unfinishedBytes);
    this.#unfinishedBytes = bytes;
    return this.#owner.gather(piece.length);
  }

  #refuse(what: string): void {
    const error = new TetherError("limit", what, { hint: "send less, or in several requests" });
    const { onReset } = this.handlers;
    this.reset(error);
    onReset?.call(this.handlers, error);
  }

  #forgetUnfinished(): void {
    if (this.#unfinished === undefined) return;
    this.#owner.gather(-this.#unfinishedBytes);
    this.#unfinished = undefined;
    this.#unfinishedBytes = 0;
  }

  #credited(payload: Buffer): void {
    if (payload.length !== 4) throw new TetherError("invalid", "a CREDIT frame that has not 4 bytes");
    this.#sendCredit += payload.readUInt32BE(0);
    if (this.#sendCredit > WIRE.largestWindow) {
      throw new TetherError("limit", `stream ${this.id}: more credit than ${WIRE.largestWindow} bytes`);
    }
    if (this.canSend) this.#owner.wake(this);
  }

  #ended(): void {
    this.#localEnd = true;
    if (this.#remoteEnd) this.#finish();
  }

  #endedRemotely(): void {
    if (this.#over) return;
    this.#remoteEnd = true;
    const { onEnd } = this.handlers;
    if (this.#localEnd) this.#finish();
    onEnd?.call(this.handlers);
  }

  #finish(): void {
    this.#over = true;
    for (const { type, bytes, at } of this.#pending) {
      if (type !== FRAME.DATA) this.#owner.hold(at - bytes.length);
    }
    this.#pending = [];
    this.#forgetUnfinished();
    this.#owner.release(this);
  }
}

function resetReason(payload: Buffer): TetherError {
  return reasonFrom(
    payload,
    new TetherError("cancelled", "the other side ended the stream without a reason"),
  );
}

/** Reads the JSON `{code, message, hint?}` of RESET and CLOSE; `otherwise` stands in for what cannot be read. */
export function reasonFrom(payload: Buffer, otherwise: TetherError): TetherError {
  try {
    return TetherError.fromJSON(JSON.parse(payload.toString("utf8")));
  } catch {
    return otherwise;
  }
}
