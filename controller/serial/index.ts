export { Monitor } from "./monitor.ts";
export { MonitorView } from "./monitor-view.ts";
export { recordPort } from "./record.ts";
export { RecordingFile } from "./recording-file.ts";
