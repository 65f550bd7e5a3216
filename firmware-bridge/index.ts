export { Device, type PortHold } from "./device.ts";
export type { CommandFiles, CommandSurroundings, SourceFile } from "./drivers/driver.ts";
export {
  FIRMATA_DEFAULTS,
  type FirmataSettings,
  PIN_MODES,
  type PinProfile,
} from "./drivers/firmata/settings.ts";
export { FRAMES_DEFAULTS } from "./drivers/frames/settings.ts";
export { DRIVERS } from "./drivers/index.ts";
export { MICROPYTHON_DEFAULTS } from "./drivers/micropython/settings.ts";
export { registerCount } from "./drivers/modbus/register-value.ts";
export {
  MODBUS_DEFAULTS,
  type ModbusSettings,
  ORDERS,
  REGISTER_TYPES,
  type RegisterProfile,
  TABLES,
} from "./drivers/modbus/settings.ts";
export {
  type FlashPlan,
  type Image,
  planFlash,
  playReset,
  readImage,
  type ToolProgram,
} from "./flash/index.ts";
export { FLASH_DEFAULTS, FLASH_TOOLS, type FlashSettings, RESETS, TOOL_KEYS } from "./flash/settings.ts";
export { LINE_CHECKSUMS } from "./framing/checksum.ts";
export type { HeldPort } from "./held-port.ts";
export { findPort, listPorts, type PortFacts } from "./link/ports.ts";
export { SERIAL_DEFAULTS } from "./link/settings.ts";
export { Listeners } from "./listeners.ts";
export type { DeviceState } from "./port-keeper.ts";
export {
  type CommandProfile,
  type DeviceProfile,
  GCODE_DEFAULTS,
  type GcodeSettings,
  LINE_DEFAULTS,
  type ParameterProfile,
  PORT_POLICY,
  type PortChoice,
  type ReadingProfile,
  type ReadingTuning,
} from "./profile.ts";
export type { Reading } from "./readings.ts";
export { serialPath } from "./serial-path.ts";
export { SIMULATIONS } from "./simulate/index.ts";
export type { Direction, Follower, Traffic } from "./traffic.ts";
export type { DeviceResult, DeviceValue } from "./value.ts";
