export { FollowedPort } from "./follow-port.ts";
export { Monitor } from "./monitor.ts";
export { MonitorView } from "./monitor-view.ts";
export { recordPort } from "./record.ts";
export { RecordingFile } from "./recording-file.ts";
export {
  type OpenedPort,
  type OrderAnswer,
  type PortListener,
  type PortOrder,
  RemotePort,
} from "./remote-port.ts";
