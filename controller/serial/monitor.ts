import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, SERIAL, type SerialReport, TetherError } from "../../protocol/index.ts";
import { FollowedPort, type FollowListener } from "./follow-port.ts";
import { type KeyAct, Keys, MENU_HELP } from "./keys.ts";
import type { MonitorView } from "./monitor-view.ts";
import type { RecordingFile } from "./recording-file.ts";
import type { OpenedPort, RemotePort } from "./remote-port.ts";

/** Milliseconds of a break that is sent by a key. */
const BREAK = 250;
/** Milliseconds that a device may be silent after the last of a pipe's input before that is taken for its end. */
const SILENCE = 1_000;
/** Milliseconds that a lost connection is tried for where nobody is there to end it. */
const PATIENCE = 15_000;
/** Milliseconds between two looks whether there is a connection again. */
const LOOK = 50;

/** What a monitor is made of. */
export interface MonitorParts {
  readonly agent: string;
  /** The controller's own folder. */
  readonly folder: string;
  /** Name of a device, or path of a port. */
  readonly port: string;
  readonly baudRate: number | undefined;
  /** Take the port from whoever holds it. */
  readonly take: boolean;
  readonly view: MonitorView;
  readonly log: RecordingFile | undefined;
  /** Show and keep what is written as well. */
  readonly both: boolean;
  readonly stdin: NodeJS.ReadStream;
  readonly signal: AbortSignal;
}

/**
 * A terminal on a port of an agent: what is typed goes there, what comes is shown. The port is watched at first, and
 * taken when the first key is typed.
 */
export class Monitor implements FollowListener {
  readonly #parts: MonitorParts;
  readonly #port: FollowedPort;
  readonly #leave = new AbortController();
  readonly #isTerminal: boolean;
  readonly #keys: Keys;
  /** Acts of the keyboard, one after the other. */
  #acting: Promise<void> = Promise.resolve();
  /** The port that is held, while it is. */
  #held: RemotePort | undefined;
  #lines = { dtr: true, rts: true };
  #baudRate: number | undefined;
  #opened: OpenedPort | undefined;
  #heardAt = performance.now();
  #hasInput = false;
  #failure: TetherError | undefined;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#baudRate = parts.baudRate;
    this.#isTerminal = parts.stdin.isTTY === true;
    this.#keys = new Keys(() => Buffer.from(this.#opened?.terminator ?? "\r"));
    const { agent, folder, port, baudRate, both } = parts;
    this.#port = new FollowedPort(
      {
        agent,
        folder,
        request: { port, mode: "watch", kind: "monitor", both, ...(baudRate !== undefined && { baudRate }) },
        patience: this.#isTerminal ? Number.POSITIVE_INFINITY : PATIENCE,
        signal: AbortSignal.any([parts.signal, this.#leave.signal]),
      },
      this,
    );
  }

  /**
   * Goes on until Ctrl-], or the end of a pipe that something came from and the device's silence after it.
   *
   * @throws TetherError as {@link FollowedPort.run}, and why the input could not be written
   */
  async run(): Promise<void> {
    const { stdin, signal } = this.#parts;
    const onInput = (bytes: Buffer) => this.#input(bytes);
    const onEnd = () => this.#inputEnded();
    if (this.#isTerminal) stdin.setRawMode(true);
    stdin.on("data", onInput).once("end", onEnd).once("error", onEnd);
    try {
      await this.#port.run();
    } catch (thrown) {
      signal.throwIfAborted();
      if (!this.#leave.signal.aborted) throw thrown;
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      // What waits for the port waits in vain.
      this.#leave.abort();
      stdin.off("data", onInput).off("end", onEnd).off("error", onEnd).pause();
      if (this.#isTerminal) stdin.setRawMode(false);
      stdin.destroy();
    }
  }

  onOpened(opened: OpenedPort): void {
    const { view, log, port, baudRate } = this.#parts;
    const isFirst = this.#opened === undefined;
    this.#opened = opened;
    const { state, reason, settings } = opened.condition;
    log?.note({ recording: 1, port: opened.port, state, settings: { ...settings } });
    if (state !== "ready") this.#stands(state, reason);
    else if (isFirst && this.#isTerminal) {
      view.note(`${port} at ${settings.baudRate} baud; ${MENU_HELP}`, { state });
    }
    if (isFirst && baudRate !== undefined && baudRate !== settings.baudRate)
      this.#act({ kind: "baud", rate: baudRate });
  }

  onMissed(bytes: number | undefined): void {
    const count = bytes === undefined ? "an unknown number of" : bytes;
    this.#parts.view.note(`${count} bytes are missing here`, { lost: bytes ?? null });
    this.#parts.log?.note({ from: "device", lost: bytes ?? null });
  }

  onBytes(bytes: Buffer): void | Promise<void> {
    return this.#passed("device", new Date().toISOString(), bytes);
  }

  onReport(report: SerialReport): void | Promise<void> {
    const { view, log } = this.#parts;
    switch (report.report) {
      case "traffic":
        return this.#passed(report.direction, report.time, report.data);
      case "condition":
        return this.#stands(report.condition.state, report.condition.reason);
      case "lost":
        if (report.direction === "device") this.onMissed(report.bytes);
        else log?.note({ from: "host", lost: report.bytes });
        return;
      case "released":
        this.#held = undefined;
        view.note(`the port is no longer yours: ${report.error.message}`, { released: report.error.message });
        return;
      case "refused":
        this.#refused(report.error, `${report.bytes} bytes were not written`);
        return;
    }
  }

  onConnection(lost: TetherError | undefined): void {
    this.#held = undefined;
    const text = lost ? `the connection is lost, trying again: ${lost.message}` : "the connection is back";
    this.#parts.view.note(text, { connection: lost ? "lost" : "back" });
  }

  #passed(direction: "device" | "host", time: string, data: Buffer): void | Promise<void> {
    if (direction === "device") this.#heardAt = performance.now();
    this.#parts.log?.passed(direction, time, data);
    return this.#parts.view.show(direction, time, data);
  }

  #stands(state: string, reason: string | null): void {
    const { view, log, port } = this.#parts;
    log?.note({ state, reason });
    view.note(`${port} is ${state}${reason === null ? "" : `: ${reason}`}`, { state, reason });
  }

  #input(bytes: Buffer): void {
    const acts: KeyAct[] = this.#isTerminal ? this.#keys.read(bytes) : [{ kind: "send", bytes }];
    this.#hasInput = true;
    this.#parts.stdin.pause();
    for (const act of acts) {
      if (act.kind === "leave") this.#leave.abort();
      else this.#act(act);
    }
    void this.#acting.then(() => {
      if (!this.#leave.signal.aborted) this.#parts.stdin.resume();
    });
  }

  /** A pipe that nothing came from is none: it is merely watched then. */
  #inputEnded(): void {
    if (!this.#hasInput) return;
    this.#acting = this.#acting.then(async () => {
      await this.#held?.order({ order: "drain" }).catch(() => {});
      this.#heardAt = performance.now();
      while (performance.now() - this.#heardAt < SILENCE && !this.#parts.signal.aborted) await delay(LOOK);
      this.#leave.abort();
    });
  }

  #act(act: KeyAct): void {
    this.#acting = this.#acting
      .then(() => this.#carryOut(act))
      .catch((thrown) => this.#refused(asTetherError(thrown)));
  }

  async #carryOut(act: KeyAct): Promise<void> {
    const { view } = this.#parts;
    if (act.kind === "echo") return view.prompt(act.text);
    if (act.kind === "help") return view.note(MENU_HELP, { help: MENU_HELP });
    if (act.kind === "baud") this.#baudRate = checkedRate(act.rate);
    if (act.kind === "state" && this.#held === undefined) return this.#showState(undefined);
    const isNew = this.#held === undefined;
    const port = await this.#hold();
    switch (act.kind) {
      case "send":
        return await port.write(act.bytes);
      case "baud": {
        // Who has just taken the port has set it already.
        if (!isNew) await port.order({ order: "configure", settings: { baudRate: act.rate } });
        return view.note(`${act.rate} baud`, { baudRate: act.rate });
      }
      case "dtr":
      case "rts": {
        const on = !this.#lines[act.kind];
        const { set } = await port.order({ order: "lines", lines: { [act.kind]: on } });
        if (set) this.#lines = { ...this.#lines, [act.kind]: on };
        const name = act.kind.toUpperCase();
        return view.note(set ? `${name} is ${on ? "on" : "off"}` : "this port has no lines", {
          set: set === true,
        });
      }
      case "break": {
        const { set } = await port.order({ order: "break", duration: BREAK });
        return view.note(set ? "break" : "this port has no lines", { set: set === true });
      }
      case "state":
        return this.#showState(port);
    }
  }

  async #showState(port: RemotePort | undefined): Promise<void> {
    const condition = this.#opened?.condition;
    const settings = port
      ? (await port.order({ order: "configure", settings: {} })).settings
      : condition?.settings;
    const lines = port ? (await port.order({ order: "input-lines" })).lines : undefined;
    const given = Object.entries(lines ?? {}).map(
      ([name, on]) => `${name.toUpperCase()} ${on ? "on" : "off"}`,
    );
    const framing =
      settings && `${settings.dataBits}${settings.parity[0]?.toUpperCase()}${settings.stopBits}`;
    const text = [`${settings?.baudRate} baud ${framing}`, port ? "held by you" : "watching", ...given].join(
      ", ",
    );
    this.#parts.view.note(text, { settings: { ...settings }, held: port !== undefined });
  }

  /** The port, taken if it is not held yet; from a pipe it is waited for. Throws why it cannot be had. */
  async #hold(): Promise<RemotePort> {
    if (this.#held !== undefined) return this.#held;
    let { port } = this.#port;
    while (port === undefined) {
      if (this.#isTerminal && this.#opened !== undefined)
        throw new TetherError("unreachable", "there is no connection");
      await delay(LOOK, undefined, { signal: AbortSignal.any([this.#leave.signal, this.#parts.signal]) });
      port = this.#port.port;
    }
    await port.order({ order: "lease", mode: "write", take: this.#parts.take });
    this.#held = port;
    if (this.#baudRate !== undefined) {
      await port.order({ order: "configure", settings: { baudRate: this.#baudRate } });
    }
    return port;
  }

  #refused(error: TetherError, lost?: string): void {
    if (this.#leave.signal.aborted || this.#parts.signal.aborted) return;
    const { code, message, hint } = error;
    if (this.#isTerminal) {
      this.#parts.view.note(`${lost ?? "not done"}: ${message}`, { refused: message });
      return;
    }
    // Nobody is there to try again: it is what the monitor ends with, and told then.
    this.#failure ??= lost === undefined ? error : new TetherError(code, `${lost}: ${message}`, { hint });
    this.#leave.abort();
  }
}

function checkedRate(rate: number): number {
  if (rate >= SERIAL.slowest && rate <= SERIAL.fastest) return rate;
  throw new TetherError("invalid", `${rate} baud: allowed are ${SERIAL.slowest} to ${SERIAL.fastest}`);
}
