import {
  asTetherError,
  readSerialReport,
  type SerialOrder,
  type SerialReport,
  type SerialRequest,
  type Stream,
  TetherError,
  writeSerialOrder,
  writeSerialRequest,
} from "../../protocol/index.ts";
import type { Client } from "../client.ts";

/** What the agent says first of a port. */
export type OpenedPort = Extract<SerialReport, { readonly report: "opened" }>;
/** How an order was answered. */
export type OrderAnswer = Extract<SerialReport, { readonly report: "answer" }>;

/** An order without its number. */
export type PortOrder = SerialOrder extends infer Each
  ? Each extends SerialOrder
    ? Omit<Each, "id">
    : never
  : never;

/** Whoever uses a remote port. */
export interface PortListener {
  /** Bytes of the device, which the listener owns; a promise holds up those that follow. */
  onBytes?(bytes: Buffer): void | Promise<void>;
  /** Everything else that the agent says, but for `opened` and answers; a promise holds up what follows. */
  onReport?(report: SerialReport): void | Promise<void>;
}

/** A serial port of an agent, over one stream of one connection. */
export class RemotePort {
  /** What the agent said first; rejects with why the port cannot be used. */
  readonly opened: Promise<OpenedPort>;
  /** Settles when it is over, with why unless it was ended here. */
  readonly closed: Promise<TetherError | undefined>;
  /** Bytes of the device that have come, those that were lost among them, counted from the port's first. */
  offset = 0;
  readonly #stream: Stream;
  readonly #listener: PortListener;
  readonly #answers = new Map<number, (answer: OrderAnswer | TetherError) => void>();
  #resolveOpened: (opened: OpenedPort) => void = () => undefined;
  #rejectOpened: (error: TetherError) => void = () => undefined;
  #resolveClosed: (error: TetherError | undefined) => void = () => undefined;
  #waiting: (() => void)[] = [];
  #lastId = 0;
  #taking: Promise<void> | undefined;

  constructor(client: Client, request: SerialRequest, listener: PortListener) {
    this.#listener = listener;
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    // Whoever only waits for the end is told there.
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#stream = client.stream("serial", writeSerialRequest(request), {
      onData: (bytes) => this.#data(bytes),
      consumesDocuments: true,
      onDocument: (text, bytes) => this.#document(text, bytes),
      onDrain: () => this.#drained(),
      onEnd: () => this.#over(undefined),
      onReset: (error) => this.#over(error),
    });
  }

  /** Sends bytes to the device; resolves when more may be sent. What cannot be written is reported as `refused`. */
  async write(bytes: Buffer): Promise<void> {
    this.#stream.sendData(bytes);
    if (!this.#stream.isWaiting) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Has something done, in turn with what was written. Gives what the agent answered.
   *
   * @throws TetherError why it was not done
   */
  async order(order: PortOrder): Promise<OrderAnswer> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = new Promise<OrderAnswer | TetherError>((resolve) => this.#answers.set(id, resolve));
    this.#stream.sendDocument(writeSerialOrder({ ...order, id } as SerialOrder));
    if (this.#stream.isOver) throw new TetherError("unreachable", "the port is no longer in use");
    const answer = await answered;
    if (answer instanceof TetherError) throw answer;
    if (answer.error !== undefined) throw answer.error;
    return answer;
  }

  /** Ends it once everything that was sent has been carried out; the port is given back. */
  end(): void {
    this.#stream.end();
  }

  /** Ends it at once; the port is given back. */
  close(): void {
    const reason = new TetherError("cancelled", "the port is no longer in use");
    this.#stream.reset(reason);
    this.#over(undefined);
  }

  #data(bytes: Buffer): void {
    this.offset += bytes.length;
    this.#take(bytes.length, () => this.#listener.onBytes?.(bytes));
  }

  #document(text: string, bytes: number): void {
    let report: SerialReport | undefined;
    try {
      report = readSerialReport(text);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (report?.report === "answer") {
      this.#answers.get(report.id)?.(report);
      this.#answers.delete(report.id);
    } else if (report?.report === "opened") {
      this.offset = report.offset;
      this.#resolveOpened(report);
    } else if (report !== undefined) {
      const said = report;
      if (said.report === "lost" && said.direction === "device") this.offset += said.bytes;
      if (said.report === "traffic" && said.direction === "device") this.offset += said.data.length;
      this.#take(bytes, () => this.#listener.onReport?.(said));
      return;
    }
    this.#stream.consumed(bytes);
  }

  /** Hands something over once the listener has dealt with what came before; the agent waits for that, too. */
  #take(bytes: number, hand: () => void | Promise<void>): void {
    const taken = this.#taking === undefined ? hand() : this.#taking.then(hand);
    if (!(taken instanceof Promise)) {
      this.#stream.consumed(bytes);
      return;
    }
    const taking = taken
      .catch((thrown: unknown) => this.#fail(thrown))
      .then(() => {
        this.#stream.consumed(bytes);
        if (this.#taking === taking) this.#taking = undefined;
      });
    this.#taking = taking;
  }

  #drained(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #fail(thrown: unknown): void {
    const error = asTetherError(thrown);
    this.#stream.reset(error);
    this.#over(error);
  }

  #over(error: TetherError | undefined): void {
    const reason = error ?? new TetherError("cancelled", "the port is no longer in use");
    this.#rejectOpened(reason);
    for (const answer of this.#answers.values()) answer(reason);
    this.#answers.clear();
    this.#drained();
    this.#resolveClosed(error);
  }
}
