import { TetherError, TRANSFER } from "../protocol/index.ts";
import { RECORD_HEADER, readError, writeRecordHeader } from "./record.ts";

/** What the receiving side of a sync answers, in DATA of its own direction: records again. */
const ANSWER = {
  /** Bytes of an answer that goes on. */
  PART: 1,
  /** The last bytes of an answer. */
  LAST: 2,
  /** Instead of the rest: JSON `{code, message, hint?}`. */
  REFUSED: 3,
} as const;

/** Bytes of an answer in one record. */
const PART_BYTES = 60 * 1024;

/** An answer as the records that carry it. */
export function* answerRecords(answer: Buffer): Generator<Buffer> {
  for (let at = 0; at === 0 || at < answer.length; at += PART_BYTES) {
    const part = answer.subarray(at, at + PART_BYTES);
    yield answerRecord(at + part.length === answer.length ? ANSWER.LAST : ANSWER.PART, part);
  }
}

/** The record that refuses an answer. */
export function refusalRecord(error: TetherError): Buffer {
  const { code, message, hint } = error;
  const short = new TetherError(code, message.slice(0, 1_000), { hint: hint?.slice(0, 500) });
  return answerRecord(ANSWER.REFUSED, Buffer.from(JSON.stringify(short), "utf8"));
}

function answerRecord(type: number, body: Buffer): Buffer {
  const record = Buffer.allocUnsafe(RECORD_HEADER + body.length);
  body.copy(record, writeRecordHeader(record, 0, type, body.length));
  return record;
}

interface Waiting {
  resolve(answer: Buffer): void;
  reject(error: TetherError): void;
}

/** Gives answers to those who have asked, in the order in which they did. */
export class AnswerQueue {
  readonly #waiting: Waiting[] = [];
  #unread = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #bytes = 0;
  #failed: TetherError | undefined;

  /** The answer to a question that has just been asked. */
  next(): Promise<Buffer> {
    const answer = new Promise<Buffer>((resolve, reject) => {
      if (this.#failed === undefined) this.#waiting.push({ resolve, reject });
      else reject(this.#failed);
    });
    // Whoever asked may have given up by then.
    answer.catch(() => undefined);
    return answer;
  }

  /** Takes in what the stream brought. Throws `invalid` or `limit` for what is no answer. */
  push(bytes: Buffer): void {
    let unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (unread.length >= RECORD_HEADER) {
      const end = RECORD_HEADER + unread.readUInt32BE(1);
      if (end > RECORD_HEADER + PART_BYTES)
        throw new TetherError("limit", "a part of an answer that is too long");
      if (unread.length < end) break;
      this.#take(unread[0] as number, unread.subarray(RECORD_HEADER, end));
      unread = unread.subarray(end);
    }
    this.#unread = Buffer.from(unread);
  }

  /** No answers will come any more. */
  fail(error: TetherError): void {
    this.#failed ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failed);
  }

  #take(type: number, body: Buffer): void {
    const [first] = this.#waiting;
    if (first === undefined) throw new TetherError("invalid", "an answer that nobody has asked for");
    if (type === ANSWER.REFUSED) {
      this.#waiting.shift();
      this.#parts = [];
      this.#bytes = 0;
      first.reject(readError(body));
      return;
    }
    if (type !== ANSWER.PART && type !== ANSWER.LAST)
      throw new TetherError("invalid", "a record that is no answer");
    this.#bytes += body.length;
    if (this.#bytes > TRANSFER.listingBytes + PART_BYTES) {
      throw new TetherError("limit", `an answer of more than ${TRANSFER.listingBytes} bytes`);
    }
    this.#parts.push(Buffer.from(body));
    if (type === ANSWER.PART) return;
    const answer = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#waiting.shift();
    first.resolve(answer);
  }
}
