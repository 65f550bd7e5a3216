export { commandFiles } from "./command-files.ts";
export { DeviceDesk } from "./desk.ts";
export type {
  DeclaredEvent,
  DeviceDescription,
  ReadingDescription,
  ReadingEvent,
  StateEvent,
} from "./facts.ts";
