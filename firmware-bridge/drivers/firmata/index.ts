import { TetherError } from "../../../protocol/errors.ts";
import type { DeviceProfile } from "../../profile.ts";
import type { Driver, DriverCommand, DriverPort, ReadingDeclaration, ReadingSink } from "../driver.ts";
import { FirmataBoard } from "./board.ts";
import { boardCommands } from "./commands.ts";
import { Pins } from "./pins.ts";
import { FIRMATA_DEFAULTS, type FirmataSettings } from "./settings.ts";

/**
 * The driver for boards with Firmata 2 (github.com/firmata/protocol), from 2.2 on.
 *
 * What pins are wanted to be, by the configuration and by calls, is kept: a board that comes back or is reset is
 * asked again what it is, and what of it is not as wanted is set again. Connecting never resets it, unless configured.
 */
export function createFirmataDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new FirmataDriver(profile, readings);
}

/** The reading that the texts of a board are: what it says when something goes wrong. */
const MESSAGE: ReadingDeclaration = { name: "message", type: "string" };

class FirmataDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly readings: readonly ReadingDeclaration[];
  readonly #name: string;
  readonly #settings: FirmataSettings;
  readonly #sink: ReadingSink;
  readonly #pins: Pins;
  #board: FirmataBoard | undefined;

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    this.#name = profile.name;
    this.#settings = profile.firmata ?? { ...FIRMATA_DEFAULTS, pins: {} };
    this.#sink = sink;
    this.#pins = new Pins(profile.name, this.#settings, sink);
    this.commands = boardCommands({
      device: profile.name,
      pins: this.#pins,
      ready: async (signal) => await this.#attached.ready(signal),
      reset: (was) => this.#attached.restart(was, true),
    });
    const inputs = this.#pins.named.filter((each) => each.isInput);
    this.readings = [...inputs.map(({ reading }) => reading), MESSAGE];
  }

  attach(port: DriverPort): void {
    const { timeout, resetOnConnect } = this.#settings;
    this.#board = new FirmataBoard(
      {
        name: this.#name,
        timeout,
        port,
        heard: (message, facts) => {
          if (message.kind === "string") this.#sink.value(MESSAGE.name, message.text);
          if (facts !== undefined) this.#pins.heard(message, facts);
        },
        restore: async (board) => await this.#pins.restore(board),
      },
      resetOnConnect,
    );
  }

  async say(): Promise<string> {
    throw new TetherError("invalid", `${this.#name} speaks Firmata, which has no lines`, {
      hint: `call devices.${this.#name}.digitalWrite and the like`,
    });
  }

  received(bytes: Uint8Array): void {
    this.#board?.received(bytes);
  }

  detach(reason: TetherError): void {
    const board = this.#board;
    this.#board = undefined;
    board?.end(reason);
  }

  get #attached(): FirmataBoard {
    if (!this.#board) throw new TetherError("device-missing", `${this.#name} is not connected`);
    return this.#board;
  }
}
