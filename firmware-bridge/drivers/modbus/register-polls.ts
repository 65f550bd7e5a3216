import { asTetherError, type TetherError } from "../../../protocol/errors.ts";
import { MODBUS } from "../../../protocol/limits.ts";
import type { ReadingSink } from "../driver.ts";
import type { ModbusBus } from "./bus.ts";
import { ModbusException } from "./exceptions.ts";
import { halvesOf, joinRanges, type NamedRegister, type RegisterRange, rangeRequest } from "./ranges.ts";

/** Exceptions that say that a range was too long or had a gap in it: illegal data address and value. */
const WRONG_RANGE: readonly number[] = [2, 3];

/** How long a unit that does not answer is left alone. */
interface Silence {
  readonly pause: number;
  readonly until: number;
}

/**
 * Asks the named registers of a bus again and again, joined into ranges, one range after the other: of all polls
 * one at most waits for the line, so that callers hardly wait for them.
 */
export class RegisterPolls {
  readonly #bus: ModbusBus;
  readonly #sink: ReadingSink;
  readonly #silent = new Map<number, Silence>();
  readonly #timers: NodeJS.Timeout[] = [];
  #turn: Promise<void> = Promise.resolve();

  constructor(bus: ModbusBus, sink: ReadingSink) {
    this.#bus = bus;
    this.#sink = sink;
  }

  /** Asks now and at every interval. Registers of the same interval are joined, over gaps of up to `gap`. */
  start(registers: readonly NamedRegister[], gap: number): void {
    const intervals = new Set(registers.flatMap(({ register }) => register.every ?? []));
    for (const every of intervals) {
      const together = registers.filter(({ register }) => register.every === every);
      for (const range of joinRanges(together, gap)) this.#poll(range, every);
    }
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
  }

  #poll(range: RegisterRange, every: number): void {
    let parts: readonly RegisterRange[] = [range];
    let asking = false;
    const ask = async () => {
      parts = await this.#inTurn(parts, every);
      asking = false;
    };
    const poll = () => {
      // A slow line is asked less often, and no poll waits twice.
      if (asking || this.#isSilent(range.unitId)) return;
      asking = true;
      void ask();
    };
    poll();
    this.#timers.push(setInterval(poll, every));
  }

  /** Gives the ranges to ask the next time: some of these in pieces, if the unit would not have them whole. */
  async #inTurn(parts: readonly RegisterRange[], every: number): Promise<RegisterRange[]> {
    const next: RegisterRange[] = [];
    for (const part of parts) {
      const turn = this.#turn.then(() => this.#ask(part, every));
      this.#turn = turn.then(() => {});
      next.push(...(await turn));
    }
    return next;
  }

  async #ask(range: RegisterRange, every: number): Promise<RegisterRange[]> {
    if (this.#isSilent(range.unitId)) return [range];
    try {
      const retries = this.#silent.has(range.unitId) ? { retries: 0 } : {};
      const read = await this.#bus.ask(rangeRequest(range), new AbortController().signal, retries);
      this.#silent.delete(range.unitId);
      if (read) for (const member of range.members) this.#give(member, read);
    } catch (thrown) {
      const error = asTetherError(thrown);
      if (error instanceof ModbusException) {
        this.#silent.delete(range.unitId);
        if (range.members.length > 1 && WRONG_RANGE.includes(error.exceptionCode)) {
          const halves: RegisterRange[] = [];
          for (const half of halvesOf(range)) halves.push(...(await this.#ask(half, every)));
          return halves;
        }
      } else if (error.code === "timeout") {
        this.#rest(range.unitId, every);
      }
      this.#fail(range, error);
    }
    return [range];
  }

  #give(member: NamedRegister, read: (member: NamedRegister) => Parameters<ReadingSink["value"]>[1]): void {
    try {
      this.#sink.value(member.name, read(member));
    } catch (thrown) {
      this.#sink.failed(member.name, asTetherError(thrown));
    }
  }

  #fail({ members }: RegisterRange, error: TetherError): void {
    for (const { name } of members) this.#sink.failed(name, error);
  }

  #isSilent(unitId: number): boolean {
    const silence = this.#silent.get(unitId);
    return silence !== undefined && performance.now() < silence.until;
  }

  /** One unit that is off would otherwise take most of the line's time for waiting. */
  #rest(unitId: number, every: number): void {
    const before = this.#silent.get(unitId)?.pause ?? every / 2;
    const pause = Math.min(before * 2, MODBUS.longestPause);
    this.#silent.set(unitId, { pause, until: performance.now() + pause });
  }
}
