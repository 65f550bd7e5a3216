import { LineParser } from "../framing/lines.ts";
import type { Link, LinkReceiver } from "../link/link.ts";
import { MemoryCable, type MemoryEnd } from "../link/memory.ts";
import type { PortSettings } from "../link/settings.ts";

/** Bytes of a command, as in the firmware. */
const LINE_BYTES = 31;
/** Milliseconds between two presses of the button by nobody in particular. */
const PRESS_INTERVAL = 5_000;

/**
 * The bench board in memory, behind the same link as a real one. Its protocol is in
 * `firmware/bench/README.md`; the AVR program there answers byte for byte as this does.
 */
export class BenchBoard implements MemoryEnd {
  readonly #cable = new MemoryCable();
  #link: Link | undefined;
  #led = 0;
  #presses = 0;
  #readings = 0;
  #presser: NodeJS.Timeout | undefined;

  open(receiver: LinkReceiver, settings?: PortSettings): Link {
    const [host, board] = this.#cable.ends;
    const link = host.open(receiver, settings);
    this.#link ??= board.open(this.#receiver());
    clearInterval(this.#presser);
    this.#presser = setInterval(() => void this.#pressUnlessUnplugged(), PRESS_INTERVAL).unref();
    return link;
  }

  /** Pulls the cable: the open link ends as if the board had been unplugged. */
  unplug(): void {
    this.#cable.pull();
  }

  #receiver(): LinkReceiver {
    const parser = new LineParser({ terminator: "\n", limit: LINE_BYTES + 1 });
    return {
      received: (bytes) => {
        for (const unit of parser.push(bytes)) {
          for (const line of this.#answers(unit.kind === "line" ? unit.text : "?")) this.#say(line);
        }
      },
      ended: () => {
        this.#link = undefined;
        clearInterval(this.#presser);
      },
    };
  }

  #answers(line: string): string[] {
    if (Buffer.byteLength(line) > LINE_BYTES) return ["ERR unknown"];
    switch (line) {
      case "":
        return [];
      case "PING":
        return ["PONG"];
      case "ID?":
        return ["ID bench 1"];
      case "LED?":
        return [`LED ${this.#led}`];
      case "LED 0":
      case "LED 1":
        this.#led = Number(line.at(-1));
        return ["OK"];
      case "TEMP?":
        return [`TEMP ${this.#temperature().toFixed(1)}`];
      case "PRESS":
        return ["OK", this.#press()];
      default:
        return [line.startsWith("LED ") ? "ERR range" : "ERR unknown"];
    }
  }

  /** Degrees Celsius around 21.5, in a slow swing. */
  #temperature(): number {
    this.#readings += 1;
    return 21.5 + 0.8 * Math.sin(this.#readings / 10);
  }

  #press(): string {
    this.#presses = (this.#presses + 1) % 65_536;
    return `BTN ${this.#presses}`;
  }

  async #pressUnlessUnplugged(): Promise<void> {
    const lines = await this.#link?.inputLines();
    if (lines?.dsr) this.#say(this.#press());
    else clearInterval(this.#presser);
  }

  #say(line: string): void {
    // Nobody hears a board that has been unplugged in the same moment.
    this.#link?.write(Buffer.from(`${line}\n`)).catch(() => {});
  }
}
