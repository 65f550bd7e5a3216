export { DeviceDesk } from "./desk.ts";
export type {
  CommandDescription,
  DeclaredEvent,
  DeviceDescription,
  DeviceFacts,
  ReadingDescription,
  ReadingEvent,
  StateEvent,
} from "./facts.ts";
