export { type GetOptions, getFiles } from "./get.ts";
export { outcomeJson, type TransferOutcome, throwFailures } from "./outcome.ts";
export { type PutOptions, putFiles } from "./put.ts";
export { readFiles } from "./read.ts";
export { withReconnect } from "./reconnect.ts";
