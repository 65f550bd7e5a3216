import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import type { DeviceProfile } from "../../profile.ts";
import type { DeviceResult } from "../../value.ts";
import type { Driver, DriverCommand, DriverPort, ReadingDeclaration, ReadingSink } from "../driver.ts";
import { type FramesCommand, type FramesDescription, parseDescription } from "./description.ts";
import { decodeField, encodeField, fieldJsonType, fieldSchema } from "./field-type.ts";
import { type BoardMessage, CALL_HEAD } from "./message.ts";
import { FRAMES_DEFAULTS } from "./settings.ts";
import { FramesTalk, type Hello } from "./talk.ts";

/** The reading that holds the board's last text for people. */
const LOG: ReadingDeclaration = { name: "log", type: "string" };

/**
 * The driver for boards that describe themselves (docs/drivers/frames.md): commands and readings are what the board
 * says, and change when it says something else.
 */
export function createFramesDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new FramesDriver(profile, readings);
}

/** A description with how a board names it in its hello. */
interface Known extends FramesDescription {
  readonly text: string;
  readonly length: number;
  readonly check: number;
}

class FramesDriver implements Driver {
  commands: readonly DriverCommand[];
  readings: readonly ReadingDeclaration[] = [LOG];
  readonly #name: string;
  readonly #timeout: number;
  readonly #sink: ReadingSink;
  #known: Known | undefined;
  #talk: FramesTalk | undefined;

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    this.#name = profile.name;
    this.#timeout = (profile.frames ?? FRAMES_DEFAULTS).timeout;
    this.#sink = sink;
    this.commands = [this.#describeCommand()];
  }

  attach(port: DriverPort): void {
    this.#talk = new FramesTalk(
      {
        name: this.#name,
        timeout: this.#timeout,
        isKnown: ({ length, check }) => this.#known?.length === length && this.#known.check === check,
        describe: (bytes, hello) => this.#describe(bytes, hello),
        // The one reading that there always is: so the agent's log has it too.
        refused: (error) => this.#sink.failed(LOG.name, error),
        heard: (message) => this.#hear(message),
      },
      port,
    );
    this.#talk.start();
  }

  async say(): Promise<string> {
    throw new TetherError("invalid", `${this.#name} speaks frames, which are no lines`, {
      hint: `call devices.${this.#name}.describe to see what it has`,
    });
  }

  received(bytes: Uint8Array): void {
    this.#talk?.received(bytes);
  }

  detach(reason: TetherError): void {
    const talk = this.#talk;
    this.#talk = undefined;
    talk?.end(reason);
  }

  get #attached(): FramesTalk {
    if (!this.#talk) throw new TetherError("device-missing", `${this.#name} is not connected`);
    return this.#talk;
  }

  #describe(bytes: Buffer, { length, check, payload }: Hello): void {
    const known = { ...parseDescription(bytes, this.#name), text: bytes.toString("utf8"), length, check };
    this.#known = known;
    this.commands = [
      ...known.commands.map((command) => this.#command(command, payload)),
      this.#describeCommand(),
    ];
    const values = known.values.map(({ name, type, unit }) => ({
      name,
      type: fieldJsonType(type),
      ...(unit !== undefined && { unit }),
    }));
    this.readings = [...values, LOG];
    this.#sink.redescribed();
  }

  #command(command: FramesCommand, payload: number): DriverCommand {
    const { name, parameters, result, summary } = command;
    const what = `${this.#name}.${name}`;
    const longest = payload - CALL_HEAD - 1;
    return {
      name,
      summary: summary === "" ? `Calls ${name} of ${this.#name}.` : summary,
      parameters: Object.fromEntries(
        parameters.map((each) => [each.name, fieldSchema(each.type, longest)] as const),
      ),
      result: result === undefined ? { type: "null" } : fieldSchema(result, longest),
      run: async (args, signal): Promise<DeviceResult> => {
        const fields = parameters.map((each) => encodeField(args[each.name], each.type, each.name));
        const value = await this.#attached.call(
          () => this.#numberOf(command),
          Buffer.concat(fields),
          what,
          signal,
        );
        return result === undefined ? null : decodeField(value, result, what);
      },
    };
  }

  /** The board may have come back with another program since the caller looked. */
  #numberOf(command: FramesCommand): number {
    const number = this.#known?.commands.indexOf(command) ?? -1;
    if (number >= 0) return number;
    throw new TetherError("not-found", `${this.#name} has come back with another ${command.name} or none`);
  }

  #describeCommand(): DriverCommand {
    return {
      name: "describe",
      summary: `Gives what ${this.#name} says about itself, a line for each command and value.`,
      parameters: {},
      result: { type: "string" },
      run: async (_args, signal) => {
        await this.#attached.described(signal);
        return this.#known?.text ?? "";
      },
    };
  }

  #hear(message: Extract<BoardMessage, { kind: "value" | "log" }>): void {
    if (message.kind === "log") {
      this.#sink.value(LOG.name, message.text);
      return;
    }
    const value = this.#known?.values[message.index];
    if (!value) return;
    try {
      this.#sink.value(value.name, decodeField(message.value, value.type, value.name));
    } catch (thrown) {
      this.#sink.failed(value.name, asTetherError(thrown));
    }
  }
}
