export { getFiles } from "./get.ts";
export { type TransferOutcome, throwFailures } from "./outcome.ts";
export { type PutOptions, putFiles } from "./put.ts";
export { readFiles } from "./read.ts";
export { withReconnect } from "./reconnect.ts";
