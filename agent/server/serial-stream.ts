import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Follower } from "../../firmware-bridge/index.ts";
import {
  asTetherError,
  readSerialOrder,
  readSerialRequest,
  roleAllows,
  SERIAL,
  type SerialCondition,
  type SerialOrder,
  type SerialReport,
  type SerialRequest,
  type Stream,
  TetherError,
  writeSerialReport,
} from "../../protocol/index.ts";
import type { DeviceDesk, Lease, PortUse } from "../devices/index.ts";
import type { Caller } from "../procedures/index.ts";
import type { Refusals } from "./refusals.ts";
import { Recorder } from "./serial-recorder.ts";

/** What serves a stream of kind `serial` needs around it. */
export interface SerialSurroundings {
  readonly caller: Caller;
  readonly desk: DeviceDesk;
  readonly refusals: Refusals;
}

/** Told to each stream, so that one that comes back after the agent was started anew does not count on. */
const INSTANCE = randomUUID().slice(0, 8);

/**
 * Serves a stream of kind `serial`: a request, then the port's bytes in DATA both ways, orders one way and reports
 * the other. DATA and orders take effect in the order in which they came, but for a purge. The port is given back
 * when the stream ends, however it does.
 */
export function serveSerial(stream: Stream, around: SerialSurroundings): void {
  stream.handlers = {
    onDocument(text) {
      try {
        const session = new SerialSession(stream, readSerialRequest(text), around);
        void session.run();
      } catch (thrown) {
        stream.reset(asTetherError(thrown));
      }
    },
  };
}

/** One use of a port by one stream. */
class SerialSession {
  readonly #stream: Stream;
  readonly #request: SerialRequest;
  readonly #around: SerialSurroundings;
  readonly #over = new AbortController();
  #use: PortUse | undefined;
  #follower: Follower | undefined;
  #recorder: Recorder | undefined;
  #lease: Lease | undefined;
  /** Orders and DATA, one after the other. */
  #turn: Promise<void>;
  /** Counts purges: DATA of before are not written any more. */
  #purges = 0;

  constructor(stream: Stream, request: SerialRequest, around: SerialSurroundings) {
    this.#stream = stream;
    this.#request = request;
    this.#around = around;
    let begin = () => {};
    this.#turn = new Promise((resolve) => {
      begin = resolve;
    });
    this.#begin = begin;
    stream.handlers = {
      onData: (bytes) => this.#data(bytes),
      onDocument: (text) => this.#document(text),
      onDrain: () => this.#pump(),
      onReset: (error) => this.#over.abort(error),
      onEnd: () => this.#inTurn(async () => this.#end()),
    };
  }

  readonly #begin: () => void;

  /** Settles when the stream is over and the port has been given back. */
  async run(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      if (this.#over.signal.aborted) resolve();
      else this.#over.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      await this.#open();
      this.#begin();
      await ended;
    } catch (thrown) {
      this.#noteRefusal(asTetherError(thrown));
      this.#fail(asTetherError(thrown));
    } finally {
      this.#begin();
      await this.#close();
    }
  }

  async #open(): Promise<void> {
    const { port, mode, baudRate, take } = this.#request;
    if (mode !== "watch") this.#require("operator", "to write on a port");
    if (take) this.#require("admin", "to take a port from somebody");
    const use = await this.#around.desk.use({
      port,
      mayOpen: roleAllows(this.#around.caller.role, "operator"),
      ...(baudRate !== undefined && { baudRate }),
    });
    this.#use = use;
    use.signal.addEventListener("abort", () => this.#fail(use.signal.reason), { once: true });
    if (this.#over.signal.aborted) return;
    const holder = mode === "watch" ? use.holder : null;
    if (mode !== "watch") {
      await this.#take(mode, take === true);
      if (baudRate !== undefined) await this.#lease?.port.configure({ baudRate });
    }
    this.#follow(use);
    this.#report({
      report: "opened",
      port: use.device.name,
      instance: INSTANCE,
      offset: this.#follower?.offset ?? 0,
      condition: conditionOf(use),
      terminator: use.device.terminator ?? null,
      holder,
    });
    const unhear = use.device.onState(() =>
      this.#report({ report: "condition", condition: conditionOf(use) }),
    );
    this.#over.signal.addEventListener("abort", unhear, { once: true });
    this.#pump();
  }

  #follow(use: PortUse): void {
    const { from, instance, both } = this.#request;
    const { traffic } = use;
    const wanted = from !== undefined && instance === INSTANCE ? from : traffic.end;
    if (both) this.#recorder = new Recorder(traffic, () => this.#pump());
    this.#follower = traffic.follow(
      () => {
        if (!both) this.#pump();
      },
      Math.max(wanted, traffic.start),
    );
    this.#recorder?.begin(this.#follower);
  }

  /** Sends what has come, as far as the stream takes it: it costs nobody anything that it does not. */
  #pump(): void {
    const stream = this.#stream;
    while (!stream.isWaiting && !stream.isOver) {
      if (this.#recorder !== undefined) {
        const report = this.#recorder.next();
        if (report === undefined) return;
        this.#report(report);
        continue;
      }
      const piece = this.#follower?.take(SERIAL.heard);
      if (piece === undefined) return;
      if (piece.lost > 0) this.#report({ report: "lost", bytes: piece.lost, direction: "device" });
      stream.sendData(piece.bytes);
    }
  }

  #data(bytes: Buffer): void {
    const purges = this.#purges;
    this.#inTurn(async () => {
      try {
        for (let at = 0; at < bytes.length && purges === this.#purges; at += SERIAL.said) {
          await this.#held.port.write(bytes.subarray(at, at + SERIAL.said));
        }
      } catch (thrown) {
        this.#report({ report: "refused", bytes: bytes.length, error: asTetherError(thrown) });
      }
      this.#stream.consumed(bytes.length);
    });
  }

  #document(text: string): void {
    let order: SerialOrder | undefined;
    try {
      order = readSerialOrder(text);
    } catch (thrown) {
      this.#fail(asTetherError(thrown));
      return;
    }
    if (order === undefined) return;
    const { id } = order;
    // What holds up the port would hold up the purge, too.
    const early = order.order === "purge" ? this.#purge(order.buffers) : undefined;
    early?.catch(() => {});
    const carryOut = order;
    this.#inTurn(async () => {
      let answer = {};
      try {
        await early;
        answer = (await this.#carryOut(carryOut)) ?? {};
      } catch (thrown) {
        const error = asTetherError(thrown);
        answer = { error };
        if (carryOut.order === "lease") this.#noteRefusal(error);
      }
      if (id !== undefined) this.#report({ report: "answer", id, ...answer });
    });
  }

  async #carryOut(order: SerialOrder): Promise<object | undefined> {
    switch (order.order) {
      case "lease":
        this.#require("operator", "to write on a port");
        if (order.take) this.#require("admin", "to take a port from somebody");
        await this.#lease?.release();
        await this.#take(order.mode, order.take === true);
        return undefined;
      case "release":
        await this.#lease?.release();
        this.#lease = undefined;
        return undefined;
      case "configure":
        return { settings: await this.#held.port.configure(order.settings) };
      case "lines":
        return { set: await this.#held.port.setLines(order.lines) };
      case "break": {
        const { port } = this.#held;
        const set = await port.setLines({ break: true });
        if (set) await delay(order.duration, undefined, { signal: this.#over.signal }).catch(() => {});
        if (set) await port.setLines({ break: false });
        return { set };
      }
      case "input-lines":
        return { lines: (await this.#held.port.inputLines()) ?? null };
      case "drain":
        await this.#held.port.drain();
        return undefined;
      case "purge":
        return undefined;
    }
  }

  async #purge(buffers: "input" | "output" | "both"): Promise<void> {
    const { port } = this.#held;
    if (buffers !== "output") this.#follower?.skip();
    if (buffers !== "input") this.#purges += 1;
    await port.purge(buffers);
  }

  async #take(mode: "write" | "exclusive", take: boolean): Promise<void> {
    if (this.#use === undefined || this.#over.signal.aborted) return;
    const { label, origin } = this.#around.caller;
    const { kind = "monitor", lines } = this.#request;
    const lease = await this.#use.take({ holder: label, origin, kind, mode, take });
    this.#lease = lease;
    lease.signal.addEventListener(
      "abort",
      () => {
        if (this.#lease !== lease) return;
        this.#lease = undefined;
        this.#report({ report: "released", error: lease.signal.reason });
      },
      { once: true },
    );
    if (lines) lease.port.watchLines((now) => this.#report({ report: "lines", lines: now }));
  }

  /** Throws `forbidden` before the port was taken, and once it is somebody else's. */
  get #held(): Lease {
    if (this.#lease !== undefined) return this.#lease;
    throw new TetherError("forbidden", "the port is not held: take it first");
  }

  #require(role: "operator" | "admin", what: string): void {
    const { role: own } = this.#around.caller;
    if (!roleAllows(own, role)) {
      throw new TetherError("forbidden", `${what} needs the role ${role}; you have ${own}`);
    }
  }

  #noteRefusal({ code, message }: TetherError): void {
    const { label, origin } = this.#around.caller;
    const facts = { label, address: origin, port: this.#request.port };
    const text = `refused the port ${this.#request.port} to ${label}: ${message}`;
    this.#around.refusals.note(code, text, facts, performance.now());
  }

  #inTurn(act: () => Promise<void>): void {
    this.#turn = this.#turn.then(act);
  }

  #report(report: SerialReport): void {
    if (!this.#stream.isOver) this.#stream.sendDocument(writeSerialReport(report));
  }

  /** The controller has sent all that it will, and it has been carried out. */
  #end(): void {
    this.#stream.end();
    this.#over.abort();
  }

  #fail(error: TetherError): void {
    this.#stream.reset(error);
    this.#over.abort(error);
  }

  async #close(): Promise<void> {
    this.#follower?.stop();
    this.#recorder?.stop();
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release();
    await this.#use?.close();
  }
}

function conditionOf({ device }: PortUse): SerialCondition {
  const { state, reason = null } = device.condition;
  return { state, reason, path: device.path ?? null, settings: device.settings };
}
