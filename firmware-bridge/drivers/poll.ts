import { asTetherError, TetherError } from "../../protocol/errors.ts";
import type { CommandProfile, DeviceProfile, ReadingProfile } from "../profile.ts";
import { type DeviceResult, type DeviceValue, readValue } from "../value.ts";
import type { DriverCommand, ReadingSink } from "./driver.ts";

/** A reading that is taken from a command's result. */
interface PolledReading {
  readonly name: string;
  readonly field: string | undefined;
  readonly type: ReadingProfile["type"];
}

/** One command asked again and again, for all readings that want it equally often. */
export class Poll {
  readonly #command: DriverCommand;
  readonly #every: number;
  readonly #readings: PolledReading[] = [];

  /** `every` in milliseconds. */
  constructor(command: DriverCommand, every: number) {
    this.#command = command;
    this.#every = every;
  }

  add(reading: PolledReading): void {
    this.#readings.push(reading);
  }

  /**
   * Asks now and at every interval until the timer is cleared. While an answer is due no further question is
   * asked: a slow device is asked less often, and never has two polls waiting.
   */
  start(sink: ReadingSink): NodeJS.Timeout {
    let asking = false;
    const ask = async () => {
      if (asking) return;
      asking = true;
      await this.#ask(sink);
      asking = false;
    };
    void ask();
    return setInterval(ask, this.#every);
  }

  async #ask(sink: ReadingSink): Promise<void> {
    let result: DeviceResult;
    try {
      result = await this.#command.run({}, new AbortController().signal);
    } catch (thrown) {
      for (const { name } of this.#readings) sink.failed(name, asTetherError(thrown));
      return;
    }
    for (const reading of this.#readings) {
      try {
        sink.value(reading.name, polledValue(result, reading));
      } catch (thrown) {
        sink.failed(reading.name, asTetherError(thrown));
      }
    }
  }
}

/**
 * The polls of a profile; readings of the same command and interval share one.
 *
 * @param located runs a function, naming the reading in what it throws.
 * @throws TetherError `invalid` for a reading whose command cannot be polled.
 */
export function pollsOf(
  profile: DeviceProfile,
  commands: readonly DriverCommand[],
  located: <T>(where: string, make: () => T) => T,
): Poll[] {
  const polls = new Map<string, Poll>();
  for (const [name, { source, type }] of Object.entries(profile.readings)) {
    if (source.kind !== "poll") continue;
    const { command: commandName, every, field } = source;
    const command = commands.find((candidate) => candidate.name === commandName);
    located(`readings.${name}`, () => checkPollable(profile.commands[commandName], commandName, field));
    if (!command) continue;
    const key = `${every} ${commandName}`;
    const poll = polls.get(key) ?? new Poll(command, every);
    poll.add({ name, field, type });
    polls.set(key, poll);
  }
  return [...polls.values()];
}

function checkPollable(command: CommandProfile | undefined, name: string, field: string | undefined): void {
  if (!command) throw new TetherError("invalid", `there is no command "${name}"`);
  const { expect, lines, until, fields, parameters } = command;
  if (lines !== undefined || until !== undefined) {
    throw new TetherError("invalid", `command "${name}" is answered by several lines, a reading by one`);
  }
  if (expect === undefined) throw new TetherError("invalid", `command "${name}" awaits no answer`);
  const open = Object.entries(parameters).find(([, schema]) => schema.default === undefined);
  if (open) throw new TetherError("invalid", `parameter ${open[0]} of command "${name}" has no default`);
  if (fields === undefined && field !== undefined) {
    throw new TetherError("invalid", `command "${name}" has no fields to take "${field}" from`);
  }
  if (fields !== undefined && (field === undefined || !Object.hasOwn(fields, field))) {
    const allowed = Object.keys(fields).join(", ");
    throw new TetherError("invalid", `result has to be one of the fields of "${name}": ${allowed}`);
  }
}

function polledValue(result: DeviceResult, { name, field, type }: PolledReading): DeviceValue {
  const value = field === undefined ? result : recordField(result, field);
  if (value === undefined) throw new TetherError("device-failed", `${name}: the answer has no ${field}`);
  if (typeof value === "object" && value !== null) {
    throw new TetherError("device-failed", `${name}: the answer is no single value`);
  }
  return type === undefined ? value : readValue(String(value), type, name);
}

function recordField(result: DeviceResult, field: string): DeviceResult | undefined {
  if (typeof result !== "object" || result === null || Array.isArray(result)) return undefined;
  return result[field];
}
