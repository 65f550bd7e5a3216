/** What somebody at the keyboard of a monitor wants. */
export type KeyAct =
  | { readonly kind: "send"; readonly bytes: Buffer }
  | { readonly kind: "leave" | "dtr" | "rts" | "break" | "state" | "help" }
  | { readonly kind: "baud"; readonly rate: number }
  /** A text that shows what was typed. */
  | { readonly kind: "echo"; readonly text: string };

const LEAVE = 0x1d; // Ctrl-]
const MENU = 0x14; // Ctrl-T
const ENTER = 0x0d;
const BACKSPACE = [0x08, 0x7f];
const DIGITS = 8;

/** What Ctrl-T is followed by. */
export const MENU_HELP =
  "Ctrl-] leaves; after Ctrl-T: b baud rate, d DTR, r RTS, k break, s state, h help, Ctrl-T or Ctrl-] itself";

/** Tells the keys for the device from those for the monitor. */
export class Keys {
  /** What Enter sends. */
  readonly #enter: () => Buffer;
  #isMenu = false;
  /** The digits of a baud rate that is being typed. */
  #digits: string | undefined;

  constructor(enter: () => Buffer) {
    this.#enter = enter;
  }

  /** What the keys mean, in order. */
  read(keys: Uint8Array): KeyAct[] {
    const acts: KeyAct[] = [];
    let sent: number[] = [];
    const flush = () => {
      if (sent.length > 0) acts.push({ kind: "send", bytes: Buffer.from(sent) });
      sent = [];
    };
    for (const key of keys) {
      const act = this.#act(key);
      if (act === undefined) continue;
      if (act.kind === "send") {
        sent.push(...act.bytes);
        continue;
      }
      flush();
      acts.push(act);
    }
    flush();
    return acts;
  }

  #act(key: number): KeyAct | undefined {
    if (this.#digits !== undefined) return this.#digit(key, this.#digits);
    if (this.#isMenu) return this.#choose(key);
    if (key === LEAVE) return { kind: "leave" };
    if (key === ENTER) return { kind: "send", bytes: this.#enter() };
    if (key !== MENU) return { kind: "send", bytes: Buffer.of(key) };
    this.#isMenu = true;
    return undefined;
  }

  #choose(key: number): KeyAct {
    this.#isMenu = false;
    if (key === MENU || key === LEAVE) return { kind: "send", bytes: Buffer.of(key) };
    switch (String.fromCharCode(key | 0x20)) {
      case "b":
        this.#digits = "";
        return { kind: "echo", text: "\r\nbaud rate: " };
      case "d":
        return { kind: "dtr" };
      case "r":
        return { kind: "rts" };
      case "k":
        return { kind: "break" };
      case "s":
        return { kind: "state" };
      default:
        return { kind: "help" };
    }
  }

  #digit(key: number, digits: string): KeyAct | undefined {
    if (key >= 0x30 && key <= 0x39 && digits.length < DIGITS) {
      this.#digits = digits + String.fromCharCode(key);
      return { kind: "echo", text: String.fromCharCode(key) };
    }
    if (BACKSPACE.includes(key) && digits !== "") {
      this.#digits = digits.slice(0, -1);
      return { kind: "echo", text: "\b \b" };
    }
    if (key === ENTER || key === 0x0a) {
      this.#digits = undefined;
      return digits === "" ? { kind: "echo", text: "\r\n" } : { kind: "baud", rate: Number(digits) };
    }
    // Anything else ends it.
    if (key >= 0x30 && key <= 0x39) return undefined;
    this.#digits = undefined;
    return { kind: "echo", text: "\r\n" };
  }
}
