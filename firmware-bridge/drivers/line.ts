import { asTetherError, TetherError } from "../../protocol/errors.ts";
import { Exchange } from "../exchange.ts";
import { LineParser, type LineUnit } from "../framing/lines.ts";
import type { CommandProfile, DeviceProfile, ReadingProfile } from "../profile.ts";
import { type DeviceValue, parameterSchema, readValue, shown } from "../value.ts";
import type { Driver, DriverCommand, DriverPort, ReadingSink } from "./driver.ts";
import { LinePattern } from "./pattern.ts";
import { CommandTemplate } from "./template.ts";

/**
 * The driver for boards that speak lines of text: commands and readings are what the profile says.
 *
 * Every line is looked at for readings; one that matches the `expect` of the command that is out is its
 * answer, all others are unsolicited.
 *
 * @throws TetherError `invalid` naming the command or reading that makes no sense.
 */
export function createLineDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new LineDriver(profile, readings);
}

interface MatchReading {
  readonly name: string;
  readonly pattern: LinePattern;
}

interface PolledReading {
  readonly name: string;
  readonly command: DriverCommand;
  readonly every: number;
  readonly type: ReadingProfile["type"];
}

class LineDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly #profile: DeviceProfile;
  readonly #sink: ReadingSink;
  readonly #matched: readonly MatchReading[];
  readonly #polled: readonly PolledReading[];
  #conversation: Conversation | undefined;

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    if (profile.line.terminator === "") throw new TetherError("invalid", "line.terminator is empty");
    this.#profile = profile;
    this.#sink = sink;
    this.commands = Object.entries(profile.commands).map(([name, command]) =>
      located(`commands.${name}`, () => this.#command(name, command)),
    );
    const readings = Object.entries(profile.readings);
    this.#matched = readings.flatMap(([name, reading]) =>
      located(`readings.${name}`, () => matched(name, reading)),
    );
    this.#polled = readings.flatMap(([name, reading]) =>
      located(`readings.${name}`, () => polled(name, reading, profile, this.commands)),
    );
  }

  attach(port: DriverPort): void {
    const parser = new LineParser({ terminator: this.#profile.line.terminator });
    const exchange = new Exchange<LineUnit>((bytes) => port.write(bytes));
    this.#conversation = { parser, exchange, timers: [] };
    for (const reading of this.#polled) this.#conversation.timers.push(this.#poll(reading));
  }

  received(bytes: Uint8Array): void {
    const conversation = this.#conversation;
    for (const unit of conversation?.parser.push(bytes) ?? []) {
      if (unit.kind === "line") this.#readingsIn(unit.text);
      conversation?.exchange.receive(unit);
    }
  }

  detach(reason: TetherError): void {
    const conversation = this.#conversation;
    this.#conversation = undefined;
    for (const timer of conversation?.timers ?? []) clearInterval(timer);
    conversation?.exchange.end(reason);
  }

  #command(name: string, profile: CommandProfile): DriverCommand {
    const { expect, result, type } = profile;
    if (expect === undefined && (result !== undefined || type !== undefined)) {
      throw new TetherError("invalid", "result and type need an expect that they are taken from");
    }
    const template = new CommandTemplate(profile, this.#profile.line.terminator);
    const pattern = expect === undefined ? undefined : new LinePattern(expect, result, type);
    const parameters = Object.entries(profile.parameters).map(([key, schema]) => [
      key,
      parameterSchema(schema),
    ]);
    return {
      name,
      summary: profile.summary ?? `Sends ${shown(profile.send)} to ${this.#profile.name}.`,
      parameters: Object.fromEntries(parameters),
      result: { type: pattern ? (type ?? "string") : "null" },
      run: (args, signal) => this.#run(`${this.#profile.name}.${name}`, template, pattern, args, signal),
    };
  }

  async #run(
    what: string,
    template: CommandTemplate,
    pattern: LinePattern | undefined,
    args: { readonly [name: string]: unknown },
    signal: AbortSignal,
  ): Promise<DeviceValue> {
    const bytes = template.render(args);
    const exchange = this.#conversation?.exchange;
    if (!exchange) throw new TetherError("device-missing", `${this.#profile.name} is not connected`);
    const { timeout } = this.#profile.line;
    if (!pattern) {
      const timedOut = () => new TetherError("timeout", `${what}: could not be sent within ${timeout} ms`);
      await exchange.run<void>({ bytes, timeout, timedOut }, signal);
      return null;
    }
    let other: LineUnit | undefined;
    const accept = (unit: LineUnit) => {
      const value = unit.kind === "line" ? pattern.read(unit.text, what) : undefined;
      if (value !== undefined) return { result: value };
      if (unit.kind === "noise" || !this.#isReading(unit.text)) other = unit;
      return undefined;
    };
    const timedOut = () => {
      const cause = other === undefined ? "" : `; ${described(other)} came instead`;
      const message = `${what}: no answer matching ${pattern.source} within ${timeout} ms${cause}`;
      return new TetherError("timeout", message);
    };
    return await exchange.run({ bytes, timeout, accept, timedOut }, signal);
  }

  #isReading(line: string): boolean {
    return this.#matched.some(({ pattern }) => pattern.matches(line));
  }

  #readingsIn(line: string): void {
    for (const { name, pattern } of this.#matched) {
      try {
        const value = pattern.read(line, name);
        if (value !== undefined) this.#sink.value(name, value);
      } catch (thrown) {
        this.#sink.failed(name, asTetherError(thrown));
      }
    }
  }

  #poll(reading: PolledReading): NodeJS.Timeout {
    let asking = false;
    const ask = async () => {
      if (asking) return;
      asking = true;
      try {
        const value = await reading.command.run({}, new AbortController().signal);
        const typed =
          reading.type === undefined ? value : readValue(String(value), reading.type, reading.name);
        this.#sink.value(reading.name, typed);
      } catch (thrown) {
        this.#sink.failed(reading.name, asTetherError(thrown));
      } finally {
        asking = false;
      }
    };
    void ask();
    return setInterval(ask, reading.every);
  }
}

/** What belongs to one link. */
interface Conversation {
  readonly parser: LineParser;
  readonly exchange: Exchange<LineUnit>;
  readonly timers: NodeJS.Timeout[];
}

function matched(name: string, { source, type }: ReadingProfile): MatchReading[] {
  if (source.kind !== "match") return [];
  return [{ name, pattern: new LinePattern(source.match, source.result, type) }];
}

function polled(
  name: string,
  { source, type }: ReadingProfile,
  profile: DeviceProfile,
  commands: readonly DriverCommand[],
): PolledReading[] {
  if (source.kind !== "poll") return [];
  const command = commands.find((candidate) => candidate.name === source.command);
  if (!command) throw new TetherError("invalid", `there is no command "${source.command}"`);
  if (command.result.type === "null") {
    throw new TetherError("invalid", `command "${source.command}" awaits no answer`);
  }
  const parameters = Object.entries(profile.commands[source.command]?.parameters ?? {});
  const open = parameters.find(([, schema]) => schema.default === undefined);
  if (open) {
    throw new TetherError("invalid", `parameter ${open[0]} of command "${source.command}" has no default`);
  }
  return [{ name, command, every: source.every, type }];
}

function located<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    const error = asTetherError(thrown);
    throw new TetherError(error.code, `${where}: ${error.message}`, { hint: error.hint, cause: thrown });
  }
}

function described(unit: LineUnit): string {
  if (unit.kind === "line") return shown(unit.text);
  const sample = `(${Buffer.from(unit.sample).toString("hex")})`;
  if (unit.why === "too-long") return `a line without end ${sample}`;
  return `what is no UTF-8 text ${sample}, as at a wrong baudRate,`;
}
