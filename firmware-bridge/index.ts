export { Device, type DeviceState, type Reading } from "./device.ts";
export type { CommandFiles, CommandSurroundings, SourceFile } from "./drivers/driver.ts";
export { DRIVERS } from "./drivers/index.ts";
export { listPorts, type PortFacts } from "./link/ports.ts";
export { Listeners } from "./listeners.ts";
export {
  type CommandProfile,
  type DeviceProfile,
  LINE_DEFAULTS,
  type ParameterProfile,
  type PortChoice,
  type ReadingProfile,
  SERIAL_DEFAULTS,
} from "./profile.ts";
export { sendLine, serialPath } from "./send-line.ts";
export { SIMULATIONS } from "./simulate/index.ts";
export type { DeviceResult, DeviceValue } from "./value.ts";
