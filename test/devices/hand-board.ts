import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import type { Owner } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";

/** The far end of a pseudo-terminal, where a test says by hand what the board says; needs the peer `socat`. */
export class HandBoard {
  /** Where the board hangs. */
  readonly path: string;
  /** All that came to the board so far. */
  heard = "";
  readonly #link: Link;

  private constructor(path: string, link: Link) {
    this.path = path;
    this.#link = link;
  }

  /** @param answer gives what the board says to a line, its newline included. */
  static async create(owner: Owner, answer: (line: string) => string = () => ""): Promise<HandBoard> {
    const terminal = await PseudoTerminal.create();
    owner.after(() => terminal.remove());
    await terminal.plug();
    let rest = "";
    const received = (bytes: Uint8Array) => {
      const text = Buffer.from(bytes).toString();
      board.heard += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      const answers = lines.map(answer).join("");
      if (answers !== "") void board.say(answers);
    };
    const link = await openTty({ path: terminal.boardPath, baudRate: 115_200 }, { received, ended() {} });
    owner.after(() => link.close());
    const board = new HandBoard(terminal.path, link);
    return board;
  }

  /** Says a text; resolves when the port has it. */
  async say(text: string): Promise<void> {
    await this.sayBytes(Buffer.from(text));
  }

  async sayBytes(bytes: Uint8Array): Promise<void> {
    await this.#link.write(bytes);
  }
}
