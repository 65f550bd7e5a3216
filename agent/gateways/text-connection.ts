import type { Socket } from "node:net";
import { GATEWAYS, TetherError } from "../../protocol/index.ts";
import { CallScope } from "../server/index.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { createFramer, type Framer, type Framing, frameAnswer } from "./framing.ts";
import type { GatewayCalls } from "./gateway-calls.ts";
import { answerText, errorText, isOtherProtocol, type RequestMeaning, readRequest } from "./request-text.ts";

/** What all connections of one text gateway have in common. */
export interface TextDoor {
  readonly configuration: RequestMeaning & {
    readonly framing: Framing;
    readonly greeting: string | undefined;
    readonly stop: string | undefined;
    readonly limits: { readonly requestBytes: number };
  };
  readonly calls: GatewayCalls;
  /** The gateway as callers are named in the log. */
  readonly label: string;
  /** What connections hold of unfinished requests, and of answers that wait. */
  readonly unfinished: ByteBudget;
  readonly waiting: ByteBudget;
}

/**
 * One client of a text gateway. Its requests are carried out one after the other and answered in their order;
 * while one is under way, or the client does not read, little more is read from it.
 */
export class TextConnection {
  readonly #socket: Socket;
  readonly #door: TextDoor;
  readonly #origin: string;
  #framer: Framer | undefined;
  /** The call under way. */
  #scope: CallScope | undefined;
  /** The client has not read what it was sent. */
  #full = false;
  #served = false;
  #inputEnded = false;
  #draining = false;
  /** Nothing more is served. */
  #over = false;
  #unfinished = 0;
  #waiting = 0;
  /** When the client last got on: an answer taken, by the sweeper's clock. */
  #progress: number;

  constructor(socket: Socket, origin: string, door: TextDoor) {
    this.#socket = socket;
    this.#origin = origin;
    this.#door = door;
    this.#progress = performance.now();
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("end", () => this.#end());
    socket.on("drain", () => this.#drained());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#closed());
    const { greeting, framing } = door.configuration;
    if (greeting !== undefined) socket.write(frameAnswer(framing, greeting));
  }

  /** Ends a client that has been silent, or has not read, since before `then`; a call under way is not silence. */
  endIfSilentSince(then: number): void {
    if (this.#progress > then || (this.#scope !== undefined && !this.#full)) return;
    this.#finish();
    if (this.#full) this.#socket.destroy();
  }

  /** Takes no further request; ends once the call under way is answered. */
  drain(): void {
    this.#draining = true;
    if (this.#scope === undefined) this.#finish();
  }

  /** Ends at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    // What comes after the end is read only so that the last words arrive (RFC 1122 §4.2.2.13).
    if (this.#over) return;
    this.#framer ??= createFramer(
      this.#door.configuration.framing,
      this.#door.configuration.limits.requestBytes,
    );
    this.#framer.push(bytes);
    this.#work();
  }

  #end(): void {
    this.#inputEnded = true;
    this.#work();
  }

  #drained(): void {
    this.#full = false;
    this.#progress = performance.now();
    this.#account(this.#unfinished, 0);
    this.#work();
  }

  #closed(): void {
    this.#over = true;
    this.#framer = undefined;
    this.#account(0, 0);
    this.#scope?.abort(new TetherError("cancelled", "the client went away"));
  }

  #isBusy(): boolean {
    return this.#over || this.#draining || this.#full || this.#scope !== undefined;
  }

  #work(): void {
    if (this.#isBusy()) {
      this.#holdBack();
      return;
    }
    this.#socket.cork();
    try {
      while (!this.#isBusy()) {
        const request = this.#next();
        if (request === undefined) break;
        this.#serve(request);
      }
    } finally {
      this.#socket.uncork();
    }
    if (this.#over) return;
    if (this.#inputEnded && !this.#isBusy()) this.#finish();
    else this.#holdBack();
  }

  /** Reads on only as far as what waits is bounded. */
  #holdBack(): void {
    if (this.#over) return;
    const pending = this.#framer?.pending ?? 0;
    if (!this.#account(pending, this.#waiting)) {
      this.#refuse(new TetherError("limit", "all clients together have sent too much that is not finished"));
      return;
    }
    if (this.#isBusy() && pending >= GATEWAYS.readAhead) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** The next request; undefined when there is none now, or the connection has ended over it. */
  #next(): string | undefined {
    while (!this.#over) {
      try {
        return this.#framer?.next() ?? (this.#inputEnded ? this.#framer?.last() : undefined);
      } catch (thrown) {
        const { code } = thrown as TetherError;
        if (code === "limit") this.#refuse(thrown as TetherError);
        else this.#answer(errorText(thrown));
      }
    }
    return undefined;
  }

  #serve(request: string): void {
    const { configuration, calls, label } = this.#door;
    if (!this.#served && isOtherProtocol(request)) {
      calls.refuse(new TetherError("invalid", "a client that speaks HTTP or TLS"), this.#origin);
      this.#over = true;
      this.#socket.destroy();
      return;
    }
    this.#served = true;
    if (configuration.stop !== undefined && request.replace(/\r?\n$/, "") === configuration.stop) {
      this.#finish();
      return;
    }
    try {
      const scope = new CallScope(calls.caller(label, this.#origin));
      const result = calls.call(readRequest(request, configuration), scope);
      if (!(result instanceof Promise)) {
        this.#answer(answerText(result));
        return;
      }
      this.#scope = scope;
      result.then(
        (value) => this.#late(() => answerText(value)),
        (thrown: unknown) => this.#late(() => errorText(thrown)),
      );
    } catch (thrown) {
      this.#answer(errorText(thrown));
    }
  }

  #late(text: () => string): void {
    this.#scope = undefined;
    if (this.#over) return;
    try {
      this.#answer(text());
    } catch (thrown) {
      this.#answer(errorText(thrown));
    }
    if (this.#draining) this.#finish();
    else this.#work();
  }

  #answer(text: string): void {
    const { framing } = this.#door.configuration;
    this.#progress = performance.now();
    if (this.#socket.write(frameAnswer(framing, text))) return;
    this.#full = true;
    if (this.#account(this.#unfinished, this.#socket.writableLength)) return;
    this.#door.calls.refuse(new TetherError("limit", "too many answers wait to be read"), this.#origin);
    this.#over = true;
    this.#socket.destroy();
  }

  /** Says why, and ends. */
  #refuse(error: TetherError): void {
    this.#door.calls.refuse(error, this.#origin);
    this.#answer(errorText(error));
    this.#finish();
  }

  /** Ends after what was written; the client gets some time to read it and to end too. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#framer = undefined;
    this.#account(0, this.#waiting);
    this.#socket.end();
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), GATEWAYS.farewell);
    timer.unref();
    this.#socket.once("close", () => clearTimeout(timer));
  }

  /** Says what this connection holds; false when all of them hold too much, and then nothing has changed. */
  #account(unfinished: number, waiting: number): boolean {
    if (!this.#door.unfinished.change(this.#unfinished, unfinished)) return false;
    this.#unfinished = unfinished;
    if (!this.#door.waiting.change(this.#waiting, waiting)) return false;
    this.#waiting = waiting;
    return true;
  }
}
