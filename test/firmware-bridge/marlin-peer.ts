/**
 * A small peer of ours that follows the published protocol of Marlin word by word: lines one after the other, each
 * answered by `ok`; numbers and checksums, and `Resend` where they are wrong; `busy` while a line takes long; M115
 * with capabilities, and reports that come by themselves. It moves nothing.
 */
export class MarlinPeer {
  /** The codes that it carried out, without numbers and checksums. */
  readonly codes: string[] = [];
  resends = 0;
  position = { X: 0, Y: 0, Z: 0, E: 0 };
  /** Which of the lines that arrive are damaged on their way, from 1. */
  readonly damaged: Set<number>;
  /** Milliseconds that a move takes, and between two signs of life. */
  moveTime: number;
  readonly #say: (text: string) => void;
  readonly #reportsItself: boolean;
  #arrived = 0;
  #text = "";
  #last = 0;
  #queue: string[] = [];
  #isBusy = false;
  #isHalted = false;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(
    say: (text: string) => void,
    options: {
      readonly damaged?: readonly number[];
      readonly moveTime?: number;
      readonly reportsItself?: boolean;
    } = {},
  ) {
    this.#say = say;
    this.damaged = new Set(options.damaged);
    this.moveTime = options.moveTime ?? 0;
    this.#reportsItself = options.reportsItself ?? false;
  }

  /** As when it gets power. */
  start(): void {
    this.#text = "";
    this.#last = 0;
    this.#queue = [];
    this.#isBusy = false;
    this.stop();
    this.#tell("start", "echo:Marlin 2.1.2.1", "echo: Last Updated: 2023-05-16 | Author: (none)");
    this.#tell("echo:Compiled: May 16 2023", "echo: Free Memory: 5000  PlannerBufferBytes: 1152");
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
  }

  /** As when a heater has run away. */
  halt(): void {
    this.#isHalted = true;
    this.#tell("Error:Printer halted. kill() called!");
  }

  receive(bytes: Uint8Array): void {
    const lines = (this.#text + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      this.#arrived++;
      const isDamaged = this.damaged.has(this.#arrived);
      this.#queue.push(isDamaged ? line.replace(/.(?=\*)/, "?") : line);
    }
    this.#next();
  }

  #tell(...lines: string[]): void {
    for (const line of lines) this.#say(`${line}\n`);
  }

  #next(): void {
    while (!this.#isBusy && !this.#isHalted) {
      const line = this.#queue.shift();
      if (line === undefined) return;
      const code = this.#checked(line.trim());
      if (code !== undefined) this.#execute(code);
    }
  }

  /** The code of a line that arrived well; what did not is asked for again. */
  #checked(line: string): string | undefined {
    const [, number, rest = line] = /^N(-?[0-9]+)\s*(.*)$/.exec(line) ?? [];
    if (number === undefined) return rest;
    const isFirst = rest.includes("M110");
    if (Number(number) !== this.#last + 1 && !isFirst) {
      return this.#again("Line Number is not Last Line Number+1");
    }
    const star = line.lastIndexOf("*");
    if (star < 0) return this.#again("No Checksum with line number");
    const sum = Buffer.from(line.slice(0, star), "latin1").reduce((all, byte) => all ^ byte, 0);
    if (Number(line.slice(star + 1)) !== sum) return this.#again("checksum mismatch");
    this.#last = isFirst ? Number(/M110\s+N(-?[0-9]+)/.exec(rest)?.[1] ?? number) : Number(number);
    return rest.slice(0, rest.lastIndexOf("*")).trim();
  }

  #again(why: string): undefined {
    this.resends++;
    this.#queue = []; // it flushes what it has received
    this.#tell(`Error:${why}, Last Line: ${this.#last}`, `Resend: ${this.#last + 1}`, "ok");
    return undefined;
  }

  #execute(code: string): void {
    this.codes.push(code);
    const [word = ""] = code.split(" ");
    switch (word) {
      case "G0":
      case "G1":
        for (const [, axis, value] of code.matchAll(/([XYZE])(-?[0-9.]+)/g)) {
          this.position[axis as "X"] = Number(value);
        }
        this.#take(this.moveTime);
        return;
      case "G28":
        this.position = { X: 0, Y: 0, Z: 0, E: 0 };
        this.#take(50);
        return;
      case "M105":
        this.#tell(`ok ${this.#temperatures}`);
        return;
      case "M114":
        this.#tell(this.#where);
        break;
      case "M115":
        this.#tell(
          "FIRMWARE_NAME:Marlin 2.1.2.1 (May 16 2023) SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin",
          `Cap:AUTOREPORT_POS:${this.#reportsItself ? 1 : 0}`,
          `Cap:AUTOREPORT_TEMP:${this.#reportsItself ? 1 : 0}`,
          "Cap:EMERGENCY_PARSER:0",
        );
        break;
      case "M154":
        this.#every(20, () => this.#tell(this.#where));
        break;
      case "M155":
        this.#every(20, () => this.#tell(` ${this.#temperatures}`));
        break;
      case "M503":
        this.#tell("echo:; Linear Units:", "echo:  G21 ; (mm)");
        break;
      case "M110":
      case "M220":
      case "M400":
      case "M410":
      case "G90":
      case "G91":
      case "M117":
        break;
      default:
        this.#tell(`echo:Unknown command: "${code}"`);
    }
    this.#tell("ok");
  }

  /** Is busy for so long, and says so now and then. */
  #take(milliseconds: number): void {
    if (milliseconds === 0) {
      this.#tell("ok");
      return;
    }
    this.#isBusy = true;
    const alive = this.#every(20, () => this.#tell("echo:busy: processing"));
    const timer = setTimeout(() => {
      clearInterval(alive);
      this.#timers.delete(alive);
      this.#timers.delete(timer);
      this.#isBusy = false;
      if (this.#isHalted) return;
      this.#tell("ok");
      this.#next();
    }, milliseconds);
    this.#timers.add(timer);
  }

  #every(milliseconds: number, work: () => void): NodeJS.Timeout {
    const timer = setInterval(work, milliseconds);
    this.#timers.add(timer);
    return timer;
  }

  get #temperatures(): string {
    return "T:201.25 /200.00 B:60.50 /60.00 @:127 B@:0";
  }

  get #where(): string {
    const { X, Y, Z, E } = this.position;
    const [x, y, z, e] = [X, Y, Z, E].map((value) => value.toFixed(2));
    return `X:${x} Y:${y} Z:${z} E:${e} Count X:${X * 80} Y:${Y * 80} Z:${Z * 400}`;
  }
}
