import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import type { Owner } from "../agent-process.ts";

/** STK500 protocol version 1, as Atmel's application note 061 has it and the bootloaders of Arduino speak it. */
const OK = 0x10;
const IN_SYNC = 0x14;
const END = 0x20;
/** Bytes of each command, itself and its end included; those with data say how much. */
const LENGTHS: { readonly [command: number]: number } = {
  48: 2, // GET_SYNC
  65: 3, // GET_PARAMETER
  66: 22, // SET_DEVICE
  69: 7, // SET_DEVICE_EXT
  80: 2, // ENTER_PROGMODE
  81: 2, // LEAVE_PROGMODE
  82: 2, // CHIP_ERASE
  85: 4, // LOAD_ADDRESS
  86: 6, // UNIVERSAL
  116: 5, // READ_PAGE
  117: 2, // READ_SIGN
};
const PROG_PAGE = 100;

/** Plays an ATmega328P with a bootloader at the far end of a pseudo-terminal. */
export class Stk500Board {
  readonly flash = Buffer.alloc(32_768, 0xff);
  hasLeft = false;
  #address = 0;
  #received = Buffer.alloc(0);
  #answer: (bytes: Buffer) => void = () => undefined;

  static async open(owner: Owner, path: string): Promise<Stk500Board> {
    const board = new Stk500Board();
    const link: Link = await openTty({ path }, { received: (bytes) => board.#take(bytes), ended() {} });
    board.#answer = (bytes) => void link.write(bytes).catch(() => undefined);
    owner.after(() => link.close());
    return board;
  }

  #take(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const [command = 0, high = 0, low = 0] = this.#received;
      const length = command === PROG_PAGE ? 5 + 256 * high + low : (LENGTHS[command] ?? 1);
      if (this.#received.length === 0 || this.#received.length < length) return;
      const whole = this.#received.subarray(0, length);
      this.#received = this.#received.subarray(length);
      if (whole.at(-1) === END)
        this.#answer(Buffer.concat([Buffer.of(IN_SYNC), this.#result(whole), Buffer.of(OK)]));
    }
  }

  #result(command: Buffer): Buffer {
    const count = 256 * (command[1] ?? 0) + (command[2] ?? 0);
    switch (command[0]) {
      case 65:
        return Buffer.of(command[1] === 0x81 ? 4 : 3);
      case 81:
        this.hasLeft = true;
        break;
      case 85:
        // In words.
        this.#address = 2 * command.readUInt16LE(1);
        break;
      case 86:
        return Buffer.of(0);
      case PROG_PAGE:
        command.copy(this.flash, this.#address, 4, 4 + count);
        break;
      case 116:
        return this.flash.subarray(this.#address, this.#address + count);
      case 117:
        return Buffer.of(0x1e, 0x95, 0x0f);
    }
    return Buffer.alloc(0);
  }
}
