import { TetherError } from "../../../protocol/errors.ts";
import { type DeviceProfile, settingsOf } from "../../profile.ts";
import type { Driver, DriverCommand, DriverPort, ReadingDeclaration, ReadingSink } from "../driver.ts";
import { addressCommands } from "./address-commands.ts";
import { ModbusBus } from "./bus.ts";
import { OverdueAnswers } from "./overdue.ts";
import type { NamedRegister } from "./ranges.ts";
import { registerCommands } from "./register-commands.ts";
import { RegisterPolls } from "./register-polls.ts";
import { registerJsonType } from "./register-value.ts";
import { MODBUS_DEFAULTS, type ModbusSettings } from "./settings.ts";

/**
 * The driver for Modbus RTU (Modbus over Serial Line 1.02): a device is a bus with any number of units.
 *
 * Its commands are the functions of Modbus by address, and `read` and `write` by the names that the profile gives;
 * every named register is a reading.
 */
export function createModbusDriver(profile: DeviceProfile, readings: ReadingSink): Driver {
  return new ModbusDriver(profile, readings);
}

class ModbusDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly readings: readonly ReadingDeclaration[];
  readonly #profile: DeviceProfile;
  readonly #settings: ModbusSettings;
  readonly #sink: ReadingSink;
  readonly #registers: readonly NamedRegister[];
  readonly #overdue = new OverdueAnswers();
  #bus: ModbusBus | undefined;
  #polls: RegisterPolls | undefined;

  constructor(profile: DeviceProfile, sink: ReadingSink) {
    this.#profile = profile;
    this.#settings = profile.modbus ?? { ...MODBUS_DEFAULTS, registers: {} };
    this.#sink = sink;
    this.#registers = Object.entries(this.#settings.registers).map(([name, register]) => ({
      name,
      register,
    }));
    const bus = () => this.#attached;
    this.commands = [
      ...registerCommands(profile.name, this.#registers, sink, bus),
      ...addressCommands(this.#settings.unitId, bus),
    ];
    this.readings = this.#registers.map(readingOf);
  }

  attach(port: DriverPort): void {
    const { name, port: choice } = this.#profile;
    this.#bus = new ModbusBus(
      { ...this.#settings, name, baudRate: settingsOf(choice).baudRate },
      port,
      this.#overdue,
    );
    this.#polls = new RegisterPolls(this.#bus, this.#sink);
    this.#polls.start(this.#registers, this.#settings.gap);
  }

  async say(): Promise<string> {
    throw new TetherError("invalid", `${this.#profile.name} speaks Modbus, which has no lines`, {
      hint: `call devices.${this.#profile.name}.readHoldingRegisters and the like`,
    });
  }

  received(bytes: Uint8Array): void {
    this.#bus?.received(bytes);
  }

  detach(reason: TetherError): void {
    const bus = this.#bus;
    this.#bus = undefined;
    this.#polls?.stop();
    this.#polls = undefined;
    bus?.end(reason);
  }

  get #attached(): ModbusBus {
    if (!this.#bus) throw new TetherError("device-missing", `${this.#profile.name} is not connected`);
    return this.#bus;
  }
}

function readingOf({ name, register }: NamedRegister): ReadingDeclaration {
  const { unit, deviceClass } = register;
  return {
    name,
    type: registerJsonType(register),
    ...(unit === undefined ? {} : { unit }),
    ...(deviceClass === undefined ? {} : { deviceClass }),
  };
}
