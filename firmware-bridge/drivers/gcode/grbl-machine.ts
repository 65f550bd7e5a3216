import { TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import type { GcodeSettings } from "../../profile.ts";
import type { DeviceRecord } from "../../value.ts";
import type { DriverPort } from "../driver.ts";
import { Awaited } from "./awaited.ts";
import { AXES, type GrblStatus, grblAnswer, positions } from "./grbl-answers.ts";
import { LineFlow } from "./line-flow.ts";
import type { Machine, MachineEvents } from "./machine.ts";
import type { LineRules } from "./program.ts";

/** Real-time commands ("Grbl v1.1 Commands"): single bytes that are acted upon as they arrive and not answered. */
const REALTIME = {
  reset: 0x18,
  status: 0x3f, // ?
  hold: 0x21, // !
  resume: 0x7e, // ~
} as const;

/** States in which nothing moves. */
const AT_REST = new Set(["Idle", "Alarm", "Check", "Sleep"]);
/** Alarms after which a Grbl takes nothing but a reset. */
const CRITICAL = new Set(["1", "2", "10"]);
/** Codes that write to the EEPROM, meanwhile a Grbl on an AVR loses what arrives ("EEPROM Issues"). */
const EEPROM = /^\$(?:[0-9NIR][^=]*=|RST)|G10L|G28\.1|G30\.1/i;
const HOMING = /^\$H/i;

/** A Grbl 1.1. */
export class GrblMachine implements Machine {
  readonly flow: LineFlow;
  readonly rules: LineRules;
  readonly statuses = new Awaited<GrblStatus>();
  readonly #settings: GcodeSettings;
  readonly #port: DriverPort;
  readonly #events: MachineEvents;
  readonly #resets = new Awaited<string>();
  #timer: NodeJS.Timeout | undefined;
  #spoken = false;
  #reportedAt = performance.now();
  #last: DeviceRecord = {};
  #offset: readonly number[] | undefined;
  #overrides: readonly number[] | undefined;
  #alarm: { readonly code: string; readonly text: string } | undefined;
  #axes = 3;
  /** Since when it is idle although lines are out. */
  #idleSince: number | undefined;

  constructor(settings: GcodeSettings, port: DriverPort, events: MachineEvents) {
    this.#settings = settings;
    this.#port = port;
    this.#events = events;
    this.rules = { dialect: "grbl", longest: settings.lineLength };
    this.flow = new LineFlow({
      fits: ({ text }, out, bytes) => {
        if (out.length === 0) return true;
        if (EEPROM.test(text) || out.some((other) => EEPROM.test(other.text))) return false;
        return bytes + text.length + 1 <= settings.buffer;
      },
      encode: (text) => Buffer.from(`${text}\n`, "latin1"),
      write: (bytes) => port.write(bytes),
      patience: settings.timeout,
    });
  }

  get overrides(): readonly number[] | undefined {
    return this.#overrides;
  }

  get axes(): number {
    return this.#axes;
  }

  start(): void {
    this.#poll();
    this.#timer = setInterval(() => this.#poll(), this.#settings.poll);
  }

  heard(line: string): void {
    if (line === "") return;
    this.flow.alive();
    const answer = grblAnswer(line);
    if (answer.kind !== "status") this.#idleSince = undefined;
    switch (answer.kind) {
      case "ok":
        this.flow.answered();
        break;
      case "error":
        this.flow.answered(refused(answer.code, answer.text));
        break;
      case "alarm":
        this.#alarmed(answer);
        break;
      case "reset":
        this.#wasReset(answer.version);
        break;
      case "status":
        this.#reported(answer.status);
        break;
      case "message":
        this.#events.values({ message: answer.text });
        this.flow.heard(line);
        break;
      case "other":
        this.flow.heard(line);
    }
  }

  async greeted(signal: AbortSignal): Promise<void> {
    if (this.#spoken) return;
    const { timeout } = this.#settings;
    const status = await this.statuses.next(timeout, signal);
    if (status === undefined) {
      throw new TetherError("timeout", `the machine has not answered ? within ${timeout} ms`, {
        hint: "is it a Grbl 1.1, and its baudRate right?",
      });
    }
  }

  async status(signal: AbortSignal): Promise<DeviceRecord> {
    // Until it is reset it answers nothing, not even ?.
    if (this.needsReset) return { ...this.#last, machine: "Alarm", alarm: this.#alarm?.text ?? "" };
    this.realtime(REALTIME.status);
    const status = await this.statuses.next(this.#settings.timeout, signal);
    if (status === undefined) throw this.#silence();
    return this.#values(status);
  }

  async checkIdle(signal: AbortSignal): Promise<void> {
    const { machine: state, alarm } = await this.status(signal);
    if (state === "Idle" || state === "Check") return;
    const why = alarm === "" ? "" : ` (${alarm})`;
    const hints = {
      Alarm: "`home` or `unlock` it first",
      Run: "wait for it, or `stop` it",
      Jog: "wait for it",
    };
    const hint = hints[state as keyof typeof hints] ?? "`resume` or `stop` it first";
    throw new TetherError("device-failed", `the machine is not idle but in state ${state}${why}`, { hint });
  }

  checkTakes(): void {
    if (!this.needsReset) return;
    throw new TetherError("device-failed", `the machine waits for a reset after ALARM:${this.#alarm?.text}`, {
      hint: "`unlock` resets it, and then ends the alarm",
    });
  }

  async beginHold(): Promise<void> {
    await this.#port.write(Uint8Array.of(REALTIME.hold));
  }

  async hold(): Promise<void> {
    this.realtime(REALTIME.hold);
    await this.#rest();
  }

  async resume(): Promise<void> {
    this.realtime(REALTIME.resume);
  }

  async stop(): Promise<void> {
    // While it homes it answers nothing but a reset.
    if (!this.#isBusyHoming && !this.needsReset) await this.hold();
    await this.reset();
  }

  /** Throws away all that it was to do, at once; while it moves it loses its position. */
  async reset(): Promise<void> {
    // One that comes while it is still telling of an alarm is lost.
    for (let tries = 0; tries < GCODE.resets && !this.#resets.hasEnded; tries++) {
      const reset = this.#resets.next(GCODE.reset);
      this.realtime(REALTIME.reset);
      if ((await reset) !== undefined) return;
    }
    const waited = GCODE.resets * GCODE.reset;
    throw new TetherError("timeout", `the machine has not come back from its reset in ${waited} ms`);
  }

  /** True when it takes nothing but a reset. */
  get needsReset(): boolean {
    return this.#alarm !== undefined && CRITICAL.has(this.#alarm.code);
  }

  async settled(signal: AbortSignal): Promise<string> {
    let place = "";
    let arrived = performance.now();
    // Between taking its last line and beginning to move it is idle for a moment, hence twice.
    for (let idle = 0; ; ) {
      this.realtime(REALTIME.status);
      const status = await this.statuses.next(this.#settings.timeout, signal);
      if (status === undefined) throw this.#silence();
      const { state } = status;
      idle = state === "Idle" || state === "Check" ? idle + 1 : 0;
      if (idle === 2) return state;
      const now = `${state} ${status.machine ?? status.work}`;
      if (now !== place) arrived = performance.now();
      else if (state === "Run" && performance.now() - arrived > GCODE.standstill) return state;
      place = now;
      if (idle === 0) await this.statuses.next(this.#settings.poll, signal);
    }
  }

  /** A byte that is acted upon at once, before all lines. */
  realtime(byte: number): void {
    this.#port.write(Uint8Array.of(byte)).catch((thrown) => {
      // A link that is gone tells so itself; while somebody else has the port, nothing is asked.
      if (thrown instanceof TetherError && thrown.code === "busy") this.#reportedAt = performance.now();
    });
  }

  end(reason: TetherError): void {
    clearInterval(this.#timer);
    this.statuses.end();
    this.#resets.end();
    this.flow.end(reason);
  }

  #poll(): void {
    if (performance.now() - this.#reportedAt > this.#settings.timeout && !this.#isBusyHoming) {
      if (!this.needsReset) this.#events.silent(this.#silence());
    }
    // What comes while it writes its EEPROM is lost, and may tear what stands around it.
    if (!this.flow.out.some(({ text }) => EEPROM.test(text))) this.realtime(REALTIME.status);
  }

  get #isBusyHoming(): boolean {
    return this.flow.out.some(({ text }) => HOMING.test(text));
  }

  #silence(): TetherError {
    return new TetherError("timeout", `no status from the machine within ${this.#settings.timeout} ms`);
  }

  async #rest(): Promise<void> {
    const deadline = performance.now() + GCODE.rest;
    while (performance.now() < deadline && !this.statuses.hasEnded) {
      this.realtime(REALTIME.status);
      const status = await this.statuses.next(GCODE.restPoll);
      if (status === undefined) continue;
      const { state, substate } = status;
      // Hold:1 and Door:1 to 3 are still on their way (Grbl v1.1 Interface, "Machine State").
      if (AT_REST.has(state) || ((state === "Hold" || state === "Door") && substate === "0")) return;
      await this.statuses.next(GCODE.restPoll / 2);
    }
  }

  #alarmed({ code, text }: { readonly code: string; readonly text: string }): void {
    this.#alarm = { code, text };
    const error = new TetherError("device-failed", `the machine stopped with ALARM:${text}`, {
      hint: "`home` it, or `unlock` it and see to its position",
    });
    this.#events.broken(error);
    // It has lost what it had received, or answers that it is locked.
    if (this.needsReset) this.flow.forget(error);
    else this.flow.fail(error);
    this.#events.values({ machine: "Alarm", alarm: text });
  }

  #wasReset(version: string): void {
    this.#alarm = undefined;
    this.#offset = undefined;
    this.#overrides = undefined;
    this.#spoken = true;
    const error = new TetherError("device-failed", `the machine was reset (${version})`);
    this.#events.broken(error);
    this.flow.forget(error);
    this.#events.values({ alarm: "" });
    this.#resets.tell(version);
    this.realtime(REALTIME.status);
  }

  #reported(status: GrblStatus): void {
    this.#spoken = true;
    this.#reportedAt = performance.now();
    this.#offset = status.offset ?? this.#offset;
    this.#overrides = status.overrides ?? this.#overrides;
    const axes = (status.machine ?? status.work)?.length ?? this.#axes;
    if (axes !== this.#axes) {
      this.#axes = axes;
      this.#events.redescribed();
    }
    if (status.state !== "Alarm") this.#alarm = undefined;
    this.#last = this.#values(status);
    this.#events.values(this.#last);
    this.statuses.tell(status);
    this.#lookForLostLines(status.state);
  }

  /** An idle machine has answered all that has reached it; a dwell is the one thing during which it seems idle. */
  #lookForLostLines(state: string): void {
    const [first] = this.flow.out;
    if (state !== "Idle" || first === undefined) {
      this.#idleSince = undefined;
      return;
    }
    const now = performance.now();
    this.#idleSince ??= now;
    const [, seconds = 0] = /G0?4(?![0-9]).*P([0-9.]+)/i.exec(first.text) ?? [];
    if (now - this.#idleSince <= this.#settings.timeout + Number(seconds) * 1_000) return;
    this.#idleSince = undefined;
    this.flow.forget(
      new TetherError("device-failed", "lines were lost on their way: the machine is idle and answers none", {
        hint: "is gcode.buffer more than it has, or the cable bad?",
      }),
    );
  }

  #values(status: GrblStatus): DeviceRecord {
    const { machine, work } = positions(status, this.#offset);
    const { state, substate, feed, spindle, pins } = status;
    const record: DeviceRecord = { machine: substate === undefined ? state : `${state}:${substate}`, pins };
    record.alarm = state === "Alarm" ? (this.#alarm?.text ?? "locked") : "";
    for (const [index, value] of (machine ?? []).entries()) record[`machine${AXES[index]}`] = value;
    for (const [index, value] of (work ?? []).entries()) record[`work${AXES[index]}`] = value;
    if (feed !== undefined) record.feed = feed;
    if (spindle !== undefined) record.spindle = spindle;
    const [feedOverride, rapidOverride, spindleOverride] = this.#overrides ?? [];
    if (feedOverride !== undefined) record.feedOverride = feedOverride;
    if (rapidOverride !== undefined) record.rapidOverride = rapidOverride;
    if (spindleOverride !== undefined) record.spindleOverride = spindleOverride;
    return record;
  }
}

function refused(code: string, text: string): TetherError {
  return new TetherError("device-failed", `the machine answered error:${text}`, {
    hint: code === "9" ? "`status` says what locks it; then `unlock` or `home`" : undefined,
  });
}
