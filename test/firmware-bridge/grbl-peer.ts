/** Bytes that wait to be read, lines that wait to be carried out, and characters of a line, as in Grbl's config. */
const RECEIVED = 128;
const PLANNED = 15;
const LINE = 79;

const ERASING_AND_WRITING = /^\$([0-9]+|N[01]|I)=|^\$RST=|G10L|G28\.1|G30\.1/;

/**
 * A small peer of ours that follows the published protocol of Grbl 1.1 word by word ("Grbl v1.1 Interface",
 * "Commands" and "Configuration"): a receive buffer that overruns, a planner that fills up, real-time bytes that are
 * taken out of the stream, feed hold, soft reset, alarms, and an EEPROM during whose writing nothing is received.
 * It moves nothing, and its blocks take as long as it is told.
 */
export class GrblPeer {
  /** Bytes that found no room, and bytes that came while the EEPROM was written. */
  overrun = 0;
  lost = 0;
  /** The lines that it carried out, as it understood them. */
  readonly lines: string[] = [];
  /** Bytes that it acted upon at once. */
  readonly realtime: number[] = [];
  state: "Idle" | "Run" | "Hold:1" | "Hold:0" | "Alarm" | "Home" | "Check" = "Idle";
  position: [number, number, number] = [0, 0, 0];
  /** Milliseconds that a block takes. */
  blockTime: number;
  /** As it is after the next start. */
  isLockedAtStart = false;
  /** The limit switch is hit at the next block. */
  hitsLimit = false;
  readonly offset: [number, number, number] = [5, -5, 0.5];
  readonly overrides: [number, number, number] = [100, 100, 100];
  readonly settings = new Map<string, string>([
    ["$0", "10"],
    ["$10", "1"],
    ["$22", "0"],
    ["$110", "500.000"],
  ]);
  readonly #say: (text: string) => void;
  #received: number[] = [];
  #line = "";
  #overflown = false;
  #blocks: { readonly target: readonly [number, number, number]; readonly dwell: boolean }[] = [];
  #blockEnds = 0;
  #target: [number, number, number] = [0, 0, 0];
  #feed = 0;
  #reports = 0;
  #deafUntil = 0;
  /** The answer to the line that writes the EEPROM. */
  #late = "";
  #homeEnds = 0;
  #holdEnds = 0;
  #dwelling = false;
  /** After a hard or soft limit it does nothing but wait for a reset. */
  #isDead = false;
  readonly #overrideSteps = new Set<number>();
  readonly #timer: NodeJS.Timeout;

  constructor(say: (text: string) => void, { blockTime = 0 }: { readonly blockTime?: number } = {}) {
    this.#say = say;
    this.blockTime = blockTime;
    this.#timer = setInterval(() => this.#turn(), 1);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** As when it gets power. */
  start(): void {
    this.#forget();
    this.state = this.isLockedAtStart ? "Alarm" : "Idle";
    this.#banner();
  }

  receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (performance.now() < this.#deafUntil) this.lost++;
      else if (byte === 0x18 || byte === 0x3f || byte === 0x21 || byte === 0x7e || byte > 0x7f)
        this.#act(byte);
      else if (this.#received.length >= RECEIVED) this.overrun++;
      else this.#received.push(byte);
    }
  }

  #act(byte: number): void {
    this.realtime.push(byte);
    if (byte === 0x18) this.#reset();
    else if (this.#isDead) return;
    else if (byte === 0x3f && this.state !== "Home") this.#report();
    else if (byte === 0x21) this.#hold();
    else if (byte === 0x7e && this.state.startsWith("Hold")) {
      this.state = this.#blocks.length > 0 ? "Run" : "Idle";
      this.#blockEnds = performance.now() + this.blockTime;
    } else if (byte >= 0x90 && byte <= 0x9d) this.#overrideSteps.add(byte);
  }

  #hold(): void {
    if (this.state === "Idle") this.state = "Hold:0";
    if (this.state !== "Run") return;
    this.state = "Hold:1";
    this.#holdEnds = performance.now() + 5;
  }

  #reset(): void {
    const isMoving = this.state === "Run" || this.state === "Hold:1";
    const alarm = this.state === "Home" ? 6 : isMoving ? 3 : undefined;
    const wasAlarm = this.state === "Alarm" && !this.#isDead;
    this.#forget();
    this.state = alarm !== undefined || wasAlarm || this.isLockedAtStart ? "Alarm" : "Idle";
    if (alarm !== undefined) this.#tell(`ALARM:${alarm}`);
    this.#banner();
  }

  #forget(): void {
    this.#received = [];
    this.#line = "";
    this.#blocks = [];
    this.#target = [...this.position];
    this.#isDead = false;
    this.#dwelling = false;
    this.overrides.fill(100);
    this.#reports = 0;
    this.#feed = 0;
  }

  #banner(): void {
    this.#say("\r\nGrbl 1.1h ['$' for help]\r\n");
    if (this.state === "Alarm") this.#tell("[MSG:'$H'|'$X' to unlock]");
  }

  #tell(line: string): void {
    this.#say(`${line}\r\n`);
  }

  #turn(): void {
    this.#override();
    const now = performance.now();
    if (this.#late !== "") {
      if (now < this.#deafUntil) return;
      this.#tell(this.#late);
      this.#late = "";
    }
    if (this.state === "Hold:1" && now >= this.#holdEnds) this.state = "Hold:0";
    if (this.state === "Home" && now >= this.#homeEnds) {
      this.position = [0, 0, 0];
      this.#target = [0, 0, 0];
      this.state = "Idle";
      this.#tell("ok");
    }
    while (this.state === "Run" && this.#blocks.length > 0 && now >= this.#blockEnds) this.#endBlock();
    if (this.state === "Run" && this.#blocks.length === 0) {
      this.state = "Idle";
      if (this.#dwelling) this.#tell("ok");
      this.#dwelling = false;
    }
    if (this.state === "Home" || this.#isDead || this.#dwelling) return;
    while (
      this.#received.length > 0 &&
      this.#blocks.length < PLANNED &&
      performance.now() >= this.#deafUntil
    ) {
      this.#take(this.#received.shift() as number);
      if ((this.state as string) === "Home" || this.#isDead || this.#dwelling) return;
      if (this.state === "Run" && this.blockTime === 0 && this.#blocks.length > 0) this.#endBlock();
    }
  }

  #endBlock(): void {
    if (this.hitsLimit) {
      this.hitsLimit = false;
      this.#blocks = [];
      this.state = "Alarm";
      this.#isDead = true;
      this.#tell("ALARM:1");
      this.#tell("[MSG:Reset to continue]");
      return;
    }
    const block = this.#blocks.shift();
    if (block) this.position = [...block.target];
    this.#blockEnds += this.blockTime;
  }

  #take(byte: number): void {
    if (byte !== 0x0a && byte !== 0x0d) {
      if (byte <= 0x20) return;
      if (this.#line.length >= LINE) this.#overflown = true;
      else this.#line += String.fromCharCode(byte).toUpperCase();
      return;
    }
    const line = this.#line.replace(/\([^)]*\)?|;.*/g, "");
    const isTooLong = this.#overflown;
    this.#line = "";
    this.#overflown = false;
    const error = isTooLong ? 11 : this.#execute(line);
    if (error === undefined) return;
    const answer = error === 0 ? "ok" : `error:${error}`;
    // It answers when it has written.
    if (performance.now() < this.#deafUntil) this.#late = answer;
    else this.#tell(answer);
  }

  /** The error's number, 0 for ok, undefined when the answer comes later. */
  #execute(line: string): number | undefined {
    if (line === "") return 0;
    this.lines.push(line);
    if (ERASING_AND_WRITING.test(line)) this.#deafUntil = performance.now() + 5;
    if (line.startsWith("$")) return this.#system(line);
    if (this.state === "Alarm") return 9;
    return this.#code(line);
  }

  #system(line: string): number | undefined {
    if (line.startsWith("$J=")) {
      if (this.state !== "Idle" && this.state !== "Run") return 9;
      return /F[0-9]/.test(line) ? this.#move(line, true) : 22;
    }
    if (line === "$X") {
      if (this.state === "Alarm") {
        this.state = "Idle";
        this.#tell("[MSG:Caution: Unlocked]");
      }
      return 0;
    }
    if (this.state === "Run" || this.state.startsWith("Hold")) return 8;
    if (line === "$H") {
      if (this.settings.get("$22") !== "1") return 5;
      this.state = "Home";
      this.#homeEnds = performance.now() + 100;
      return undefined;
    }
    if (line === "$$") for (const [name, value] of this.settings) this.#tell(`${name}=${value}`);
    else if (line === "$I") {
      this.#tell("[VER:1.1h.20190825:]");
      this.#tell("[OPT:V,15,128]");
    } else if (line === "$C") {
      this.state = this.state === "Check" ? "Idle" : "Check";
      this.#tell(`[MSG:${this.state === "Check" ? "Enabled" : "Disabled"}]`);
    } else {
      const [, name, value] = /^(\$[0-9]+)=([0-9.]+)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) return 3;
      this.settings.set(name, value);
    }
    return 0;
  }

  #code(line: string): number | undefined {
    const words = [...line.matchAll(/([A-Z])(-?[0-9.]+)/g)];
    if (words.map(([word]) => word).join("") !== line) return /^[A-Z]/.test(line) ? 2 : 1;
    const has = (letter: string, value?: number) =>
      words.some(([, a, b]) => a === letter && (value === undefined || Number(b) === value));
    const feed = words.find(([, letter]) => letter === "F")?.[2];
    if (feed !== undefined) this.#feed = Number(feed);
    if (words.some(([, letter, value]) => letter === "G" && Number(value) > 99)) return 20;
    if (has("G", 1) && this.#feed === 0) return 22;
    if (has("G", 4)) {
      this.#dwelling = true;
      this.#plan(this.#target, true);
      return undefined;
    }
    if (has("X") || has("Y") || has("Z")) return this.#move(line, has("G", 91));
    return 0;
  }

  #move(line: string, isRelative: boolean): number {
    const target: [number, number, number] = [...this.#target];
    for (const [, axis, value] of line.matchAll(/([XYZ])(-?[0-9.]+)/g)) {
      const index = "XYZ".indexOf(axis ?? "");
      target[index] = (isRelative ? (target[index] ?? 0) : 0) + Number(value);
    }
    if (this.state !== "Check") this.#plan(target, false);
    return 0;
  }

  #plan(target: readonly [number, number, number], dwell: boolean): void {
    this.#target = [...target];
    this.#blocks.push({ target, dwell });
    if (this.state !== "Idle") return;
    this.state = "Run";
    this.#blockEnds = performance.now() + this.blockTime;
  }

  /** Equal steps that came since the last look count once: they are flags. */
  #override(): void {
    for (const byte of this.#overrideSteps) {
      const place = byte <= 0x94 ? 0 : byte <= 0x98 ? 1 : 2;
      const step = { 145: 10, 146: -10, 147: 1, 148: -1, 154: 10, 155: -10, 156: 1, 157: -1 }[byte];
      const fixed = { 144: 100, 149: 100, 150: 50, 151: 25, 153: 100 }[byte];
      this.overrides[place] = fixed ?? Math.min(200, Math.max(10, this.overrides[place] + (step ?? 0)));
      this.#reports = -1;
    }
    this.#overrideSteps.clear();
  }

  #report(): void {
    const at = (axes: readonly number[]) => axes.map((value) => value.toFixed(3)).join(",");
    const isChanged = this.#reports === -1;
    if (isChanged) this.#reports = 1;
    const extra =
      !isChanged && this.#reports % 10 === 0
        ? `|WCO:${at(this.offset)}`
        : isChanged || this.#reports % 10 === 1
          ? `|Ov:${this.overrides.join(",")}`
          : "";
    this.#reports++;
    const feed = this.state === "Run" ? this.#feed : 0;
    this.#tell(`<${this.state}|MPos:${at(this.position)}|FS:${feed},0${extra}>`);
  }
}
