import type { Writable } from "node:stream";

/** What a line of the log may carry beside its event and message; never a secret. */
export type LogFacts = { readonly [name: string]: string | number | boolean | null | undefined };

type Level = "info" | "warn" | "error";

/**
 * The agent's log: one JSON object a line, or readable lines for a terminal.
 *
 * `event` is the stable name that programs match on; `message` is for people.
 */
export class Log {
  readonly #target: Writable;
  readonly #readable: boolean;

  constructor(target: Writable, options: { readable: boolean }) {
    this.#target = target;
    this.#readable = options.readable;
  }

  info(event: string, message: string, facts: LogFacts = {}): void {
    this.#write("info", event, message, facts);
  }

  warn(event: string, message: string, facts: LogFacts = {}): void {
    this.#write("warn", event, message, facts);
  }

  error(event: string, message: string, facts: LogFacts = {}): void {
    this.#write("error", event, message, facts);
  }

  #write(level: Level, event: string, message: string, facts: LogFacts): void {
    const time = new Date().toISOString();
    const line = this.#readable
      ? readableLine(time, level, message, facts)
      : JSON.stringify({ time, level, event, message, ...facts });
    this.#target.write(`${line}\n`);
  }
}

function readableLine(time: string, level: Level, message: string, facts: LogFacts): string {
  const details = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`)
    .join(" ");
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${message}${details === "" ? "" : `  ${details}`}`;
}
