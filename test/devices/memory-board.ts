import type { Link } from "../../firmware-bridge/link/link.ts";
import { MemoryCable, type MemoryState } from "../../firmware-bridge/link/memory.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { TetherError } from "../../protocol/index.ts";

/** A board at the far end of a cable in memory, which a test plugs in, pulls, and speaks for by hand. */
export class MemoryBoard {
  /** All that came to the board so far. */
  heard = "";
  /** How the agent's end stood, each time that it changed. */
  readonly states: MemoryState[] = [];
  /** Under which names it was found. */
  readonly port: Port;
  readonly #cable = new MemoryCable();
  readonly #answer: (line: string) => string;
  #link: Link | undefined;
  #plugs = 0;

  /** @param answer gives what the board says to a line, its newline included. */
  constructor(answer: (line: string) => string = () => "") {
    this.#answer = answer;
    const [host] = this.#cable.ends;
    this.port = {
      interval: 2,
      locate: async () => {
        if (!this.#link) throw new TetherError("device-missing", "the board is unplugged");
        return `memory:${this.#plugs}`;
      },
      open: async (_path, receiver, settings) => host.open(receiver, settings),
    };
    this.plug();
  }

  /** Plugs it in, under another name than before. */
  plug(): void {
    this.#plugs += 1;
    let rest = "";
    this.#link = this.#cable.ends[1].open({
      received: (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        this.heard += text;
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) void this.say(this.#answer(line));
      },
      ended: () => {
        this.#link = undefined;
      },
      changed: (state) => this.states.push(state),
    });
  }

  pull(): void {
    this.#cable.pull();
  }

  /** The lines as the board sees them: the agent's DTR is its DSR. */
  async setLines(lines: { readonly dtr?: boolean; readonly rts?: boolean }): Promise<void> {
    await this.#link?.setLines(lines);
  }

  async say(text: string): Promise<void> {
    if (text !== "") await this.#link?.write(Buffer.from(text, "latin1"));
  }
}
