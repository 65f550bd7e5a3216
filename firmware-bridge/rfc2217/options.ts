import { TELNET, type Verb } from "./telnet.ts";

/** Telnet options that matter here. */
export const OPTION = {
  /** Eight bits as they are (RFC 856). */
  binary: 0,
  /** The server sends back what it receives (RFC 857): a serial port does or does not, nobody else. */
  echo: 1,
  /** No half-duplex turns (RFC 858). */
  suppressGoAhead: 3,
  /** The control of a serial port (RFC 2217). */
  comPort: 44,
} as const;

const WANTED_HERE: readonly number[] = [OPTION.binary, OPTION.suppressGoAhead];
const WANTED_THERE: readonly number[] = [OPTION.binary, OPTION.suppressGoAhead, OPTION.comPort];
/** Some clients also ask the server to have the option that only a client needs (RFC 2217 §1, "typically"). */
const ACCEPTED_HERE: readonly number[] = [...WANTED_HERE, OPTION.comPort];

type Stand = "off" | "asked" | "on";

/** What to say about an option. */
export interface Negotiation {
  readonly verb: Verb;
  readonly option: number;
}

/**
 * Which options are in force, on both sides: the access server's part of RFC 1143, of which it needs little, for
 * it never gives up what it has agreed to. No exchange can go on for ever.
 */
export class TelnetOptions {
  readonly #here = new Map<number, Stand>();
  readonly #there = new Map<number, Stand>();
  /** The other side has asked not to be sent 8-bit data as it is. */
  #isPlain = false;

  /** What to say first. */
  begin(): Negotiation[] {
    for (const option of WANTED_HERE) this.#here.set(option, "asked");
    for (const option of WANTED_THERE) this.#there.set(option, "asked");
    return [
      ...WANTED_HERE.map((option) => ({ verb: TELNET.WILL, option })),
      ...WANTED_THERE.map((option) => ({ verb: TELNET.DO, option })),
    ];
  }

  /** True once the other side has agreed to have an option. */
  isOnThere(option: number): boolean {
    return this.#there.get(option) === "on";
  }

  /** The other side does what it was asked for, without having said so; false where that is no news. */
  agree(option: number): boolean {
    if (this.#there.get(option) !== "asked") return false;
    this.#there.set(option, "on");
    return true;
  }

  /** False where the other side does not want 8-bit data as it is. Silence is no refusal. */
  get isBinaryHere(): boolean {
    return !this.#isPlain;
  }

  /** Takes what the other side says of an option; gives the answer, where one is due. */
  receive({ verb, option }: Negotiation): Negotiation | undefined {
    if (option === OPTION.binary && verb === TELNET.DO) this.#isPlain = false;
    if (option === OPTION.binary && verb === TELNET.DONT) this.#isPlain = true;
    switch (verb) {
      case TELNET.WILL:
        return offered(this.#there, option, WANTED_THERE, { yes: TELNET.DO, no: TELNET.DONT });
      case TELNET.DO:
        return offered(this.#here, option, ACCEPTED_HERE, { yes: TELNET.WILL, no: TELNET.WONT });
      case TELNET.WONT:
        return refused(this.#there, option, TELNET.DONT);
      case TELNET.DONT:
        return refused(this.#here, option, TELNET.WONT);
    }
  }
}

function offered(
  stands: Map<number, Stand>,
  option: number,
  accepted: readonly number[],
  { yes, no }: { readonly yes: Verb; readonly no: Verb },
): Negotiation | undefined {
  const stand = stands.get(option) ?? "off";
  if (stand === "on") return undefined;
  if (!accepted.includes(option)) return { verb: no, option };
  stands.set(option, "on");
  return stand === "asked" ? undefined : { verb: yes, option };
}

function refused(stands: Map<number, Stand>, option: number, no: Verb): Negotiation | undefined {
  const stand = stands.get(option) ?? "off";
  if (stand === "off") return undefined;
  stands.set(option, "off");
  return stand === "on" ? { verb: no, option } : undefined;
}
