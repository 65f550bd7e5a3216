import type { Writable } from "node:stream";
import { LOG } from "../protocol/index.ts";

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
  readonly #kept: string[] = [];
  readonly #followers = new Set<(line: string) => void>();

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

  /** The last lines, oldest first, each a JSON object. */
  get kept(): readonly string[] {
    return this.#kept;
  }

  /** Hears of every further line, as a JSON object; what it gives ends that. */
  follow(listener: (line: string) => void): () => void {
    this.#followers.add(listener);
    return () => this.#followers.delete(listener);
  }

  #write(level: Level, event: string, message: string, facts: LogFacts): void {
    const time = new Date().toISOString();
    const line = JSON.stringify({ time, level, event, message: message.slice(0, LOG.lineLength), ...facts });
    this.#target.write(`${this.#readable ? readableLine(time, level, message, facts) : line}\n`);
    this.#kept.push(line);
    if (this.#kept.length > LOG.kept) this.#kept.shift();
    for (const listener of this.#followers) listener(line);
  }
}

function readableLine(time: string, level: Level, message: string, facts: LogFacts): string {
  const details = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`)
    .join(" ");
  // What a stranger says reaches the owner's terminal only as text on one line.
  const text = `${message.slice(0, LOG.lineLength)}${details === "" ? "" : `  ${details}`}`;
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ")}`;
}
