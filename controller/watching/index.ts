export { CsvFile } from "./csv-file.ts";
export { followDevice, type WatchedReading } from "./follow.ts";
export { LineView } from "./line-view.ts";
export { LiveView } from "./live-view.ts";
