export { commandFiles } from "./command-files.ts";
export { DeviceDesk } from "./desk.ts";
export type {
  DeclaredEvent,
  DeviceDescription,
  ReadingDescription,
  ReadingEvent,
  StaleEvent,
  StateEvent,
} from "./facts.ts";
export type { Lease } from "./lease.ts";
export type { PortUse } from "./used-ports.ts";
