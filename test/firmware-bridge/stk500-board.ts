import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import type { Owner } from "../agent-process.ts";

/** Command and answer bytes of STK500 version 1 (Atmel AVR061, §3). */
const STK = {
  OK: 0x10,
  INSYNC: 0x14,
  NOSYNC: 0x15,
  EOP: 0x20,
  GET_SYNC: 0x30,
  GET_PARAMETER: 0x41,
  SET_DEVICE: 0x42,
  SET_DEVICE_EXT: 0x45,
  ENTER_PROGMODE: 0x50,
  LEAVE_PROGMODE: 0x51,
  LOAD_ADDRESS: 0x55,
  UNIVERSAL: 0x56,
  PROG_PAGE: 0x64,
  READ_PAGE: 0x74,
  READ_SIGN: 0x75,
} as const;

/** An ATmega328P. */
const SIGNATURE = [0x1e, 0x95, 0x0f];
const FLASH_BYTES = 32 * 1024;

/**
 * A board with an ATmega328P and the bootloader of an Arduino Uno, played at the far end of a pseudo-terminal: STK500
 * version 1 as AVR061 has it. Its program answers `PING` with `PONG`.
 *
 * A pseudo-terminal has no DTR, so that no reset is seen: the bootloader begins with the first GET_SYNC, and ends
 * with LEAVE_PROGMODE.
 */
export class Stk500Board {
  readonly flash = Buffer.alloc(FLASH_BYTES, 0xff);
  /** Whether it was told that this is all. */
  hasLeft = false;
  /** Pages written since its last reset. */
  pages = 0;
  /** Called before a page is written; what it gives is waited for; after false the board says nothing but nonsense. */
  beforePage: (page: number) => Promise<boolean> | boolean = () => true;
  #link: Link | undefined;
  #input = Buffer.alloc(0);
  #inBootloader = false;
  #broken = false;
  #address = 0;
  #turn: Promise<void> = Promise.resolve();

  static async open(owner: Owner, path: string): Promise<Stk500Board> {
    const board = new Stk500Board();
    const link = await openTty(
      { path, baudRate: 115_200 },
      {
        received: (bytes) => {
          const copy = Buffer.from(bytes);
          board.#turn = board.#turn.then(() => board.#take(copy));
        },
        ended() {},
      },
    );
    board.#link = link;
    owner.after(() => link.close());
    return board;
  }

  /** Begins its program anew, as after power was off. */
  reset(): void {
    this.#broken = false;
    this.#inBootloader = false;
    this.#input = Buffer.alloc(0);
    this.#turn = Promise.resolve();
    this.pages = 0;
  }

  async say(text: string): Promise<void> {
    await this.#send(Buffer.from(text));
  }

  async #take(bytes: Buffer): Promise<void> {
    if (this.#broken) {
      await this.say("?".repeat(bytes.length));
      return;
    }
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#input.length > 0 && !this.#broken) {
      if (!(this.#inBootloader ? await this.#command() : await this.#line())) return;
    }
  }

  /** The program; gives false where more has to come. */
  async #line(): Promise<boolean> {
    const sync = this.#input.indexOf(Buffer.from([STK.GET_SYNC, STK.EOP]));
    if (sync !== -1) {
      this.#inBootloader = true;
      this.#input = this.#input.subarray(sync);
      return true;
    }
    const end = this.#input.indexOf(0x0a);
    if (end === -1) return false;
    const line = this.#input.toString("latin1", 0, end);
    this.#input = this.#input.subarray(end + 1);
    if (line === "PING") await this.say("PONG\n");
    return true;
  }

  /** The bootloader; gives false where more has to come. */
  async #command(): Promise<boolean> {
    const length = this.#length();
    if (length === undefined || this.#input.length < length) return false;
    const command = this.#input.subarray(0, length);
    this.#input = this.#input.subarray(length);
    const isWhole = command[length - 1] === STK.EOP;
    const answer = isWhole ? await this.#answer(command) : undefined;
    if (this.#broken) return false;
    const bytes = answer === undefined ? [STK.NOSYNC] : [STK.INSYNC, ...answer, STK.OK];
    await this.#send(Uint8Array.from(bytes));
    return true;
  }

  /** On a port that was pulled nobody hears it. */
  async #send(bytes: Uint8Array): Promise<void> {
    await this.#link?.write(bytes).catch(() => {});
  }

  /** Bytes of the command that begins; undefined where that is not known yet. */
  #length(): number | undefined {
    const [command, first, second] = this.#input;
    switch (command) {
      case STK.GET_PARAMETER:
        return 3;
      case STK.SET_DEVICE:
        return 22;
      case STK.SET_DEVICE_EXT:
        return first === undefined ? undefined : first + 2;
      case STK.LOAD_ADDRESS:
        return 4;
      case STK.UNIVERSAL:
        return 6;
      case STK.READ_PAGE:
        return 5;
      case STK.PROG_PAGE:
        return first === undefined || second === undefined ? undefined : 5 + first * 256 + second;
      default:
        return 2;
    }
  }

  async #answer(command: Buffer): Promise<readonly number[] | undefined> {
    switch (command[0]) {
      case STK.GET_SYNC:
      case STK.SET_DEVICE:
      case STK.SET_DEVICE_EXT:
      case STK.ENTER_PROGMODE:
        return [];
      case STK.GET_PARAMETER:
        return [command[1] === 0x81 ? 4 : command[1] === 0x82 ? 4 : 3];
      case STK.READ_SIGN:
        return SIGNATURE;
      case STK.UNIVERSAL:
        return [0];
      case STK.LOAD_ADDRESS:
        // In words.
        this.#address = command.readUInt16LE(1) * 2;
        return [];
      case STK.PROG_PAGE:
        if (!(await this.beforePage(this.pages))) {
          this.#broken = true;
          await this.say("?");
          return undefined;
        }
        command.copy(this.flash, this.#address, 4, command.length - 1);
        this.pages += 1;
        return [];
      case STK.READ_PAGE: {
        const length = command.readUInt16BE(1);
        return [...this.flash.subarray(this.#address, this.#address + length)];
      }
      case STK.LEAVE_PROGMODE:
        this.#inBootloader = false;
        this.hasLeft = true;
        return [];
      default:
        return undefined;
    }
  }
}
