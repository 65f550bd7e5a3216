export { Device, type DeviceCondition, type DeviceLog, type DeviceState, type Reading } from "./device.ts";
export type { DriverCommand } from "./drivers/driver.ts";
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
  type ValueSchema,
} from "./profile.ts";
export { type LineToSend, sendLine, serialPath } from "./send-line.ts";
export { SIMULATIONS } from "./simulate/index.ts";
export type { DeviceRecord, DeviceResult, DeviceValue, JsonSchema } from "./value.ts";
