import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { SERIAL } from "../../../protocol/limits.ts";

/** What became of a line: what the machine said before it was done with it, or why it was not. */
export type Outcome =
  | { readonly ok: true; readonly lines: readonly string[] }
  | { readonly ok: false; readonly error: TetherError };

/** A line to be sent, or one that is out. */
export interface FlowLine {
  /** Without its terminator. */
  readonly text: string;
  /** The bytes are on their way to the machine. */
  readonly written?: () => void;
  /** Called once. */
  readonly settled: (outcome: Outcome) => void;
  /** Milliseconds of silence while it is out; absent: as the flow has it. */
  readonly patience?: number | undefined;
}

interface OutLine extends FlowLine {
  readonly bytes: number;
  readonly answer: string[];
  isSettled: boolean;
}

/** What tells flows of different machines apart. */
export interface FlowRules {
  /** True when a line may go out while others are. */
  readonly fits: (line: FlowLine, out: readonly FlowLine[], outBytes: number) => boolean;
  /** The bytes of a line. */
  readonly encode: (text: string) => Uint8Array;
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Milliseconds within which the machine has to say something while an answer is due. */
  readonly patience: number;
}

/**
 * Lines to a machine that answers each of them in order, as many at a time as it has room for.
 *
 * A line that is out stays counted until the machine answers it, even when whoever waited has been told
 * otherwise; {@link forget} is for when the machine has lost them itself.
 */
export class LineFlow {
  readonly #rules: FlowRules;
  #queue: FlowLine[] = [];
  #out: OutLine[] = [];
  #outBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended: TetherError | undefined;

  constructor(rules: FlowRules) {
    this.#rules = rules;
  }

  /** Lines that the machine has not answered. */
  get out(): readonly FlowLine[] {
    return this.#out;
  }

  /** Sends a line in its turn. */
  add(line: FlowLine): void {
    const refusal =
      this.#ended ??
      (this.#queue.length >= SERIAL.queuedExchanges
        ? new TetherError("busy", `${this.#queue.length} lines are waiting for this machine already`)
        : undefined);
    if (refusal !== undefined) {
      line.settled({ ok: false, error: refusal });
      return;
    }
    this.#queue.push(line);
    this.#pump();
  }

  /** Sends a line before all that wait, whether or not there is room: for what cannot wait. */
  force(line: FlowLine): void {
    if (this.#ended === undefined) this.#send(line);
    else line.settled({ ok: false, error: this.#ended });
  }

  /** Takes a line out of the queue; false when it is not in it, for it is out or was answered. */
  withdraw(line: FlowLine): boolean {
    const before = this.#queue.length;
    this.#queue = this.#queue.filter((other) => other !== line);
    return this.#queue.length < before;
  }

  /** Takes what the machine says about the line that it works on. */
  heard(text: string): void {
    const [first] = this.#out;
    if (first !== undefined && first.answer.length < SERIAL.answerLines) first.answer.push(text);
  }

  /** The machine is alive: whatever is due may take as long again. */
  alive(): void {
    if (this.#out.length > 0) this.#watch();
  }

  /** The machine is done with the oldest line that is out; false when there is none. */
  answered(error?: TetherError): boolean {
    const line = this.#out.shift();
    if (line === undefined) return false;
    this.#outBytes -= line.bytes;
    settle(line, error === undefined ? { ok: true, lines: line.answer } : { ok: false, error });
    this.#watch();
    this.#pump();
    return true;
  }

  /** The machine says that it does not do the oldest line that is out; its answer is still to come. */
  reject(error: TetherError): void {
    const [first] = this.#out;
    if (first !== undefined) settle(first, { ok: false, error });
  }

  /** Tells everyone who waits; what is out stays counted. */
  fail(error: TetherError): void {
    for (const line of this.#queue.splice(0)) line.settled({ ok: false, error });
    for (const line of this.#out) settle(line, { ok: false, error });
  }

  /** Tells everyone who waits; the machine has forgotten what was out. */
  forget(error: TetherError): void {
    this.fail(error);
    this.#out = [];
    this.#outBytes = 0;
    this.#watch();
  }

  /** Tells everyone who waits, and whoever comes later. */
  end(error: TetherError): void {
    this.#ended = error;
    this.forget(error);
  }

  #pump(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (this.#ended !== undefined || !this.#rules.fits(next, this.#out, this.#outBytes)) return;
      this.#queue.shift();
      this.#send(next);
    }
  }

  #send(line: FlowLine): void {
    const bytes = this.#rules.encode(line.text);
    const out: OutLine = { ...line, bytes: bytes.length, answer: [], isSettled: false };
    this.#out.push(out);
    this.#outBytes += bytes.length;
    if (this.#out.length === 1) this.#watch();
    this.#rules.write(bytes).then(
      () => line.written?.(),
      // The link tells that it has gone; any other failure leaves the machine without the line.
      (thrown) => this.#unwritten(out, asTetherError(thrown)),
    );
  }

  #unwritten(line: OutLine, error: TetherError): void {
    const place = this.#out.indexOf(line);
    if (place < 0) return;
    this.#out.splice(place, 1);
    this.#outBytes -= line.bytes;
    settle(line, { ok: false, error });
    this.#watch();
  }

  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [first] = this.#out;
    if (first === undefined) return;
    const patience = first.patience ?? this.#rules.patience;
    this.#timer = setTimeout(() => {
      const message = `the machine said nothing for ${patience} ms after ${JSON.stringify(first.text)}`;
      this.forget(new TetherError("timeout", message));
    }, patience);
  }
}

function settle(line: OutLine, outcome: Outcome): void {
  if (line.isSettled) return;
  line.isSettled = true;
  line.settled(outcome);
}
