export { keepEqual } from "./keep-equal.ts";
export { printSync, summary, syncJson } from "./print-sync.ts";
export { type SyncOptions, type SyncOutcome, syncFromAgent, syncToAgent } from "./sync.ts";
