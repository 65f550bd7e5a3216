import { setTimeout as delay } from "node:timers/promises";
import { TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import type { GcodeSettings } from "../../profile.ts";
import type { DeviceRecord } from "../../value.ts";
import type { DriverPort } from "../driver.ts";
import { ask } from "./ask.ts";
import { Awaited } from "./awaited.ts";
import { LineFlow } from "./line-flow.ts";
import type { Machine, MachineEvents } from "./machine.ts";
import { marlinAnswer, marlinValues, numbered } from "./marlin-answers.ts";
import type { LineRules } from "./program.ts";

/** Bytes that a number and a checksum add to a line at most: `N4294967295 ` and `*255`. */
const NUMBERING = 16;
/** Sets the machine's line number to 0, with which the next line has to be 1. */
const FIRST = "M110 N0";
const NEVER = new AbortController().signal;

/** A Marlin, or another firmware that answers as one does. */
export class MarlinMachine implements Machine {
  readonly flow: LineFlow;
  readonly rules: LineRules;
  readonly #settings: GcodeSettings;
  readonly #port: DriverPort;
  readonly #events: MachineEvents;
  readonly #hellos = new Awaited<true>();
  readonly #capabilities = new Set<string>();
  /** The lines that were sent last, by number: any of them may be wanted again. */
  readonly #sent = new Map<number, string>();
  #number = 0;
  #greeted = false;
  #greeting: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The line to be sent again when the machine says `ok` to having asked for it. */
  #again: number | undefined;
  #resends = 0;
  #pausing: NodeJS.Timeout | undefined;
  #busyWith = "";
  #state = "";
  #polling = false;
  #values: DeviceRecord = {};

  constructor(settings: GcodeSettings, port: DriverPort, events: MachineEvents) {
    this.#settings = settings;
    this.#port = port;
    this.#events = events;
    this.rules = { dialect: "marlin", longest: settings.lineLength - NUMBERING };
    this.flow = new LineFlow({
      // One at a time: what follows a line that is asked for again would be thrown away.
      fits: (_line, out) => this.#greeted && out.length === 0,
      encode: (text) => this.#encode(text),
      write: (bytes) => port.write(bytes),
      patience: settings.timeout,
    });
  }

  start(): void {
    this.#hello(0);
    this.#timer = setInterval(() => void this.#poll(), Math.max(1_000, this.#settings.poll));
  }

  heard(line: string): void {
    if (line === "") return;
    const answer = marlinAnswer(line);
    if (answer.kind !== "start") this.flow.alive();
    const values = marlinValues(line);
    if (values !== undefined) this.#tell(values);
    switch (answer.kind) {
      case "ok":
        this.#ok(answer.rest);
        break;
      case "resend":
        this.#resend(answer.number);
        break;
      case "busy":
        this.#busyWith = answer.with;
        this.#become(`busy: ${answer.with}`);
        break;
      case "start":
        this.#started();
        break;
      case "error":
        if (!answer.transmission) this.#failed(answer.text);
        break;
      case "unknown":
        this.flow.heard(answer.text);
        break;
      case "capability":
        if (answer.has) this.#capabilities.add(answer.name);
        this.flow.heard(line);
        break;
      case "action":
        this.#tell({ message: answer.text });
        break;
      case "other":
        this.flow.heard(line);
    }
  }

  async greeted(signal: AbortSignal): Promise<void> {
    if (this.#greeted) return;
    const { timeout } = this.#settings;
    if ((await this.#hellos.next(timeout, signal)) !== undefined) return;
    throw new TetherError("timeout", `the machine has not answered M110 within ${timeout} ms`, {
      hint: "is it a Marlin, and its baudRate right?",
    });
  }

  async status(signal: AbortSignal): Promise<DeviceRecord> {
    // While a line takes long, what is known is all there is: a Marlin answers one after the other.
    if (this.#busyWith === "") {
      await ask(this.flow, "M114", signal);
      await ask(this.flow, "M105", signal);
    }
    return { machine: this.#state, ...this.#values };
  }

  checkTakes(): void {
    if (this.#state === "halted") {
      throw new TetherError("device-failed", "the machine is halted, allowed: nothing before it is reset");
    }
  }

  async checkIdle(signal: AbortSignal): Promise<void> {
    await this.greeted(signal);
    this.checkTakes();
  }

  async beginHold(): Promise<void> {}

  /** Nothing more is sent; what it has taken already it does, for it knows no hold that keeps its place. */
  async hold(): Promise<void> {}

  async resume(): Promise<void> {
    if (/paused/i.test(this.#busyWith)) this.#force("M108");
  }

  async stop(): Promise<void> {
    // M410 is acted upon at once where the firmware looks for it, else after the line that it works on.
    this.#force("M410");
    const deadline = performance.now() + GCODE.rest;
    while (this.flow.out.length > 0 && performance.now() < deadline) await delay(GCODE.restPoll);
  }

  async settled(signal: AbortSignal): Promise<string> {
    await ask(this.flow, "M400", signal);
    return "Idle";
  }

  end(reason: TetherError): void {
    clearTimeout(this.#greeting);
    clearInterval(this.#timer);
    clearTimeout(this.#pausing);
    this.#hellos.end();
    this.flow.end(reason);
  }

  /** Sends M110 after so many milliseconds, and again until it is answered: a board that boots hears nothing. */
  #hello(after: number): void {
    clearTimeout(this.#greeting);
    this.#greeted = false;
    this.#greeting = setTimeout(() => {
      this.#port.write(Buffer.from(`${numbered(FIRST, 0)}\n`, "latin1")).catch(() => {});
      this.#hello(GCODE.greeting);
    }, after);
  }

  #welcomed(): void {
    clearTimeout(this.#greeting);
    this.#greeted = true;
    this.#number = 0;
    this.#sent.clear();
    this.#hellos.tell(true);
    this.#become("Idle");
    void this.#introduce();
  }

  /** Asks what the firmware can, and to report by itself what it can report by itself. */
  async #introduce(): Promise<void> {
    const seconds = Math.max(1, Math.round(this.#settings.poll / 1_000));
    try {
      await ask(this.flow, "M115", NEVER);
      if (this.#capabilities.has("AUTOREPORT_TEMP")) await ask(this.flow, `M155 S${seconds}`, NEVER);
      if (this.#capabilities.has("AUTOREPORT_POS")) await ask(this.flow, `M154 S${seconds}`, NEVER);
      await this.#poll();
    } catch {
      // It has gone, or is asked again when it is back.
    }
  }

  #encode(text: string): Uint8Array {
    this.#number++;
    const line = numbered(text, this.#number);
    this.#sent.set(this.#number, line);
    this.#sent.delete(this.#number - GCODE.resendable);
    return Buffer.from(`${line}\n`, "latin1");
  }

  #ok(rest: string): void {
    if (!this.#greeted) {
      this.#welcomed();
      return;
    }
    if (this.#again !== undefined) {
      this.#sendAgain();
      return;
    }
    this.#busyWith = "";
    if (rest !== "") this.flow.heard(rest);
    this.#resends = 0;
    this.flow.answered();
    if (this.flow.out.length === 0) this.#become("Idle");
  }

  #resend(number: number): void {
    if (!this.#greeted) return;
    if (number === this.#number + 1) return; // it has all of them
    if (!this.#sent.has(number) || ++this.#resends > GCODE.resends) {
      const why = this.#sent.has(number) ? `${this.#resends - 1} times in vain` : "which it had long ago";
      const error = new TetherError("device-failed", `the machine asks for line ${number} again, ${why}`, {
        hint: "the cable or its baudRate may be bad",
      });
      this.#again = undefined;
      this.#events.broken(error);
      this.flow.forget(error);
      this.#hello(0);
      return;
    }
    this.#again = number;
    // The `ok` that belongs to the question, where the firmware says one.
    clearTimeout(this.#pausing);
    this.#pausing = setTimeout(() => this.#sendAgain(), GCODE.resendPause);
  }

  /** Sends the line that is wanted, and then those after it, each when the machine has said `ok` to the last. */
  #sendAgain(): void {
    clearTimeout(this.#pausing);
    const number = this.#again;
    const line = number === undefined ? undefined : this.#sent.get(number);
    if (number === undefined || line === undefined) return;
    this.#again = number < this.#number ? number + 1 : undefined;
    this.#port.write(Buffer.from(`${line}\n`, "latin1")).catch(() => {});
  }

  #force(text: string): void {
    if (!this.#greeted) return;
    this.flow.force({ text, settled: () => {} });
  }

  #started(): void {
    const error = new TetherError("device-failed", "the machine was reset (it said start)");
    this.#again = undefined;
    clearTimeout(this.#pausing);
    this.#capabilities.clear();
    this.#events.broken(error);
    this.flow.forget(error);
    this.#become("starting");
    this.#hello(GCODE.startPause);
  }

  #failed(text: string): void {
    const error = new TetherError("device-failed", `the machine answered Error:${text}`);
    if (/halted|kill/i.test(text)) {
      this.#become("halted");
      this.#events.broken(error);
      this.flow.fail(error);
      return;
    }
    this.flow.reject(error);
  }

  async #poll(): Promise<void> {
    if (this.#polling || !this.#greeted) return;
    this.#polling = true;
    try {
      if (!this.#capabilities.has("AUTOREPORT_TEMP")) await ask(this.flow, "M105", NEVER);
      if (!this.#capabilities.has("AUTOREPORT_POS")) await ask(this.flow, "M114", NEVER);
    } catch (thrown) {
      if (thrown instanceof TetherError && thrown.code === "timeout") this.#events.silent(thrown);
    } finally {
      this.#polling = false;
    }
  }

  #become(state: string): void {
    this.#state = state;
    this.#events.values({ machine: state });
  }

  #tell(values: DeviceRecord): void {
    this.#values = { ...this.#values, ...values };
    this.#events.values(values);
  }
}
