import { type TetherError, writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { plain } from "../render/table.ts";
import { valueText } from "../render/value.ts";
import type { WatchedReading, WatchedState, WatchListener } from "./follow.ts";

/**
 * Shows readings as they come, a line each: text, or with `--json` a document of the contract's shape. All else
 * goes to stderr, so that whoever reads stdout finds readings there and nothing else.
 */
export class LineView implements WatchListener {
  readonly #context: CommandContext;
  readonly #device: string;

  constructor(context: CommandContext, device: string) {
    this.#context = context;
    this.#device = device;
  }

  onSnapshot(state: WatchedState): void {
    if (state.state !== "ready") this.onState(state);
  }

  onReading({ reading, value, unit, time }: WatchedReading): void {
    const { json, stdout } = this.#context;
    const text = json
      ? writeJson({ device: this.#device, reading, value, unit, time })
      : plain([time, reading, valueText(value) + (unit === null ? "" : ` ${unit}`)].join("  "));
    stdout.write(`${text}\n`);
  }

  onState({ state, reason }: WatchedState): void {
    const why = reason === null ? "" : `: ${reason}`;
    this.#note({ state, reason }, `${this.#device} is ${state}${why}`);
  }

  onStale(reading: string): void {
    this.#note({ stale: reading }, `${this.#device} ${reading} is stale: it stays away`);
  }

  onLost(count: number): void {
    this.#note({ lost: count }, `${count} changes were lost: this side read too slowly`);
  }

  onConnection(lost: TetherError | undefined): void {
    const text = lost ? `the connection is lost, trying again: ${lost.message}` : "the connection is back";
    this.#note({ connection: lost ? "lost" : "back" }, text);
  }

  #note(facts: { readonly [name: string]: string | number | null }, text: string): void {
    const { json, stderr } = this.#context;
    stderr.write(`${json ? writeJson({ device: this.#device, ...facts }) : `tether: ${plain(text)}`}\n`);
  }
}
