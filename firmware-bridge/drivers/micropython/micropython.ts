import { TetherError } from "../../../protocol/errors.ts";
import { SERIAL } from "../../../protocol/limits.ts";
import { LineParser } from "../../framing/lines.ts";
import type { DeviceProfile } from "../../profile.ts";
import type { DeviceResult, JsonSchema } from "../../value.ts";
import type { CommandSurroundings, Driver, DriverCommand, DriverPort, ReadingSink } from "../driver.ts";
import { MatchedReadings } from "../matched-readings.ts";
import { Board } from "./board.ts";
import { RawRepl } from "./raw-repl.ts";
import { promptLine } from "./scripts.ts";
import { MICROPYTHON_DEFAULTS } from "./settings.ts";
import { Turns } from "./turns.ts";

const TEXT = { type: "string", maxLength: SERIAL.unit } as const;
const ENTRY: JsonSchema = {
  type: "object",
  properties: { name: { type: "string" }, type: { enum: ["file", "directory"] }, size: { type: "integer" } },
};
const COPIED: JsonSchema = { type: "object", properties: { bytes: { type: "integer" } } };

/** A command of the board: what it does once the raw REPL is entered. */
interface BoardCommand extends Omit<DriverCommand, "run"> {
  work(board: Board, args: Arguments, surroundings: CommandSurroundings | undefined): Promise<DeviceResult>;
}

/** Checked against the schemas by whoever calls. */
interface Arguments {
  readonly code: string;
  readonly expression: string;
  readonly path: string;
  readonly file: string;
}

const COMMANDS: readonly BoardCommand[] = [
  {
    name: "exec",
    summary: "Runs Python code on the board and gives what it printed.",
    parameters: { code: TEXT },
    result: { type: "string" },
    work: (board, { code }, around) => board.run(code, Number.POSITIVE_INFINITY, heardOf(around)),
  },
  {
    name: "run",
    summary: "Runs a script among the agent's files on the board and gives what it printed.",
    parameters: { file: { ...TEXT, description: "path among the agent's files" } },
    result: { type: "string" },
    work: async (board, { file }, around) =>
      await board.run(await readScript(file, around), Number.POSITIVE_INFINITY, heardOf(around)),
  },
  {
    name: "eval",
    summary: "Gives the value of a Python expression on the board.",
    parameters: { expression: TEXT },
    result: {},
    work: async (board, { expression }) => (await board.evaluate(expression)) as DeviceResult,
  },
  {
    name: "ls",
    summary: "Lists a folder of the board's file system.",
    parameters: { path: { ...TEXT, default: "/" } },
    result: { type: "array", items: ENTRY },
    work: (board, { path }) => board.list(path),
  },
  {
    name: "get",
    summary: "Copies a file of the board into the agent's files.",
    parameters: { path: TEXT, file: { ...TEXT, description: "path among the agent's files" } },
    result: COPIED,
    async work(board, { path, file }, around) {
      const { files, progress } = filesOf(around);
      const bytes = await board.readFile(path, (done, total) => progress({ done, total }));
      await files.save(file, bytes);
      return { bytes: bytes.length };
    },
  },
  {
    name: "put",
    summary: "Copies one of the agent's files onto the board.",
    parameters: { file: { ...TEXT, description: "path among the agent's files" }, path: TEXT },
    result: COPIED,
    async work(board, { file, path }, around) {
      const { files, progress } = filesOf(around);
      const source = await files.open(file);
      try {
        await board.writeFile(path, source.size, source.pieces(), (done, total) => progress({ done, total }));
        return { bytes: source.size };
      } finally {
        await source.close();
      }
    },
  },
  {
    name: "mkdir",
    summary: "Makes a folder on the board.",
    parameters: { path: TEXT },
    result: { type: "null" },
    work: (board, { path }) => board.makeFolder(path).then(() => null),
  },
  {
    name: "rm",
    summary: "Removes a file or an empty folder of the board.",
    parameters: { path: TEXT },
    result: { type: "null" },
    work: (board, { path }) => board.remove(path).then(() => null),
  },
  {
    name: "info",
    summary: "Says which board and which MicroPython this is, and how much memory is free.",
    parameters: {},
    result: { type: "object" },
    work: (board) => board.describe(),
  },
];

/**
 * The driver for boards with MicroPython on the port: code and files by the raw REPL. What the board's own program
 * prints while nobody uses it may be readings, matched line by line.
 *
 * @throws TetherError `invalid` for commands, and for readings that are polled
 */
export function createMicroPythonDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new MicroPythonDriver(profile, readings);
}

/** All that belongs to one link. */
interface Life {
  readonly port: DriverPort;
  readonly repl: RawRepl;
  readonly turns: Turns;
  readonly lines: LineParser;
  /** True while what the board says belongs to a command. */
  busy: boolean;
}

class MicroPythonDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly #name: string;
  readonly #silence: number;
  readonly #matched: MatchedReadings;
  #life: Life | undefined;

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    this.#name = profile.name;
    this.#silence = (profile.micropython ?? MICROPYTHON_DEFAULTS).timeout;
    const polled = Object.entries(profile.readings).find(([, { source }]) => source.kind === "poll");
    if (polled) {
      const says = `readings.${polled[0]}: driver micropython has no commands to poll; allowed: match`;
      throw new TetherError("invalid", says);
    }
    this.#matched = new MatchedReadings(profile, sink);
    this.commands = [
      ...COMMANDS.map(
        ({ work, ...facts }): DriverCommand => ({
          ...facts,
          run: (args, signal, around) =>
            this.#inRepl(facts.name, signal, (repl) =>
              work(new Board(repl, signal, this.#silence), args as unknown as Arguments, around),
            ),
        }),
      ),
      {
        name: "reset",
        summary: "Resets the interpreter softly: the board runs boot.py and main.py again.",
        parameters: {},
        result: { type: "null" },
        run: (_args, signal) => this.#softReset(signal),
      },
    ];
  }

  attach(port: DriverPort): void {
    const repl = new RawRepl((bytes) => port.write(bytes));
    const lines = new LineParser({ terminator: "\n" });
    this.#life = { port, repl, turns: new Turns(), lines, busy: false };
  }

  received(bytes: Uint8Array): void {
    const life = this.#life;
    if (life?.busy) {
      life.repl.received(bytes);
      return;
    }
    for (const unit of life?.lines.push(bytes) ?? []) {
      if (unit.kind === "line") this.#matched.hear(unit.text);
    }
  }

  async say(text: string, signal: AbortSignal): Promise<string> {
    const said = await this.#inRepl("send", signal, (repl) =>
      new Board(repl, signal, this.#silence).run(promptLine(text)),
    );
    return said.replace(/\r?\n$/, "");
  }

  detach(reason: TetherError): void {
    this.#life?.repl.end(reason);
    this.#life = undefined;
  }

  async #inRepl<T>(what: string, signal: AbortSignal, work: (repl: RawRepl) => Promise<T>): Promise<T> {
    return await this.#alone(what, signal, async (repl) => {
      await repl.enter(signal);
      try {
        return await work(repl);
      } finally {
        await repl.leave();
      }
    });
  }

  async #softReset(signal: AbortSignal): Promise<null> {
    return await this.#alone("reset", signal, async (repl) => {
      await repl.enter(signal);
      await repl.leave();
      await repl.softReset(signal);
      return null;
    });
  }

  /** Holds the board: between two steps nobody else may write, and all that it says is for `work`. */
  async #alone<T>(what: string, signal: AbortSignal, work: (repl: RawRepl) => Promise<T>): Promise<T> {
    const life = this.#life;
    if (!life) throw new TetherError("device-missing", `${this.#name} is not connected`);
    return await life.turns.take(async () => {
      const release = life.port.claim?.(what, async (reason) => life.repl.end(reason));
      life.busy = true;
      try {
        return await work(life.repl);
      } finally {
        life.busy = false;
        this.received(life.repl.rest());
        release?.();
      }
    }, signal);
  }
}

function filesOf(around: CommandSurroundings | undefined): CommandSurroundings {
  if (around) return around;
  throw new TetherError("invalid", "there are no files here to copy from or to");
}

/** Tells whoever watches the last line that was printed. */
function heardOf(around: CommandSurroundings | undefined): ((text: string) => void) | undefined {
  if (!around) return undefined;
  let done = 0;
  return (text) => {
    done += text.length;
    const note = text.trimEnd().split("\n").at(-1)?.trim();
    around.progress({ done, ...(note ? { note } : {}) });
  };
}

async function readScript(file: string, around: CommandSurroundings | undefined): Promise<Uint8Array> {
  const source = await filesOf(around).files.open(file);
  try {
    if (source.size > SERIAL.unit) {
      throw new TetherError("limit", `${file} has ${source.size} bytes; a script has up to ${SERIAL.unit}`);
    }
    const pieces: Buffer[] = [];
    for await (const piece of source.pieces()) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  } finally {
    await source.close();
  }
}
