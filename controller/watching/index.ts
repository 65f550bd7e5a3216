export { CsvFile } from "./csv-file.ts";
export { type FollowOptions, followDevice, type WatchedReading, type WatchListener } from "./follow.ts";
export { LineView } from "./line-view.ts";
export { LiveView } from "./live-view.ts";
