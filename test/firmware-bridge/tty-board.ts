import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import type { Owner } from "../agent-process.ts";
import { until } from "./until.ts";

/** Plays a board at the far end of a pseudo-terminal. */
export class TtyBoard {
  received = Buffer.alloc(0);
  readonly link: Link;

  private constructor(link: Link) {
    this.link = link;
  }

  static async open(owner: Owner, path: string, { echoes = false } = {}): Promise<TtyBoard> {
    const pieces: Buffer[] = [];
    let take = (bytes: Buffer): unknown => pieces.push(bytes);
    const link = await openTty(
      { path, baudRate: 115_200 },
      { received: (bytes) => take(Buffer.from(bytes)), ended() {} },
    );
    owner.after(() => link.close());
    const board = new TtyBoard(link);
    let writing = Promise.resolve();
    take = (bytes) => {
      board.received = Buffer.concat([board.received, bytes]);
      if (echoes) writing = writing.then(() => link.write(bytes));
    };
    return board;
  }

  async says(text: string): Promise<void> {
    await this.link.write(Buffer.from(text, "latin1"));
  }

  async hears(text: string): Promise<void> {
    await until(
      () => this.received.toString("latin1").includes(text),
      `${text} in ${this.received.toString()}`,
    );
  }
}
