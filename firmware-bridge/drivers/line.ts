import { TetherError } from "../../protocol/errors.ts";
import type { CommandProfile, DeviceProfile } from "../profile.ts";
import { type DeviceResult, parameterSchema, shown } from "../value.ts";
import { AnswerFormat, answerFormat } from "./answer.ts";
import type { Driver, DriverCommand, DriverPort, ReadingSink } from "./driver.ts";
import { LineTalk } from "./line-talk.ts";
import { located } from "./located.ts";
import { MatchedReadings } from "./matched-readings.ts";
import { type Poll, pollsOf } from "./poll.ts";
import { CommandTemplate } from "./template.ts";

/**
 * The driver for boards that speak lines of text: commands and readings are what the profile says.
 *
 * Every line is looked at for readings; those that the command that is out awaits are its answer, all others
 * are unsolicited.
 *
 * @throws TetherError `invalid` naming the command or reading that makes no sense.
 */
export function createLineDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new LineDriver(profile, readings);
}

/** A command that is answered by the next prompt alone. */
const SILENT = new AnswerFormat({ send: "", parameters: {}, lines: 0 });

class LineDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly #profile: DeviceProfile;
  readonly #sink: ReadingSink;
  readonly #matched: MatchedReadings;
  readonly #polls: readonly Poll[];
  #talk: LineTalk | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    if (profile.line.terminator === "") throw new TetherError("invalid", "line.terminator is empty");
    this.#profile = profile;
    this.#sink = sink;
    this.commands = Object.entries(profile.commands).map(([name, command]) =>
      located(`commands.${name}`, () => this.#command(name, command)),
    );
    this.#matched = new MatchedReadings(profile, sink);
    this.#polls = pollsOf(profile, this.commands, located);
  }

  attach(port: DriverPort): void {
    this.#talk = new LineTalk(this.#profile.line, port);
    for (const poll of this.#polls) this.#timers.push(poll.start(this.#sink));
  }

  received(bytes: Uint8Array): void {
    this.#talk?.received(bytes, (line) => this.#matched.hear(line));
  }

  async say(text: string, signal: AbortSignal): Promise<string> {
    const { timeout } = this.#profile.line;
    return await this.#attached.say(
      text,
      { timeout, isReading: (line) => this.#matched.isReading(line) },
      signal,
    );
  }

  detach(reason: TetherError): void {
    const talk = this.#talk;
    this.#talk = undefined;
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    talk?.end(reason);
  }

  get #attached(): LineTalk {
    if (!this.#talk) throw new TetherError("device-missing", `${this.#profile.name} is not connected`);
    return this.#talk;
  }

  #command(name: string, profile: CommandProfile): DriverCommand {
    const { prompt } = this.#profile.line;
    const format = answerFormat(profile) ?? (prompt === undefined ? undefined : SILENT);
    const template = new CommandTemplate(profile, this.#profile.line);
    const timeout = profile.timeout ?? this.#profile.line.timeout;
    const what = `${this.#profile.name}.${name}`;
    const parameters = Object.entries(profile.parameters).map(([key, schema]) => [
      key,
      parameterSchema(schema),
    ]);
    return {
      name,
      summary: profile.summary ?? `Sends ${shown(profile.send)} to ${this.#profile.name}.`,
      parameters: Object.fromEntries(parameters),
      result: format === undefined || format === SILENT ? { type: "null" } : format.schema,
      run: async (args, signal): Promise<DeviceResult> => {
        const text = template.render(args);
        const answer = format?.begin(what, (line) => this.#matched.isReading(line), prompt);
        return await this.#attached.ask({ text, answer, timeout, what }, signal);
      },
    };
  }
}
