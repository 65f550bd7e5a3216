/** The controller's library: `import { discover, connect } from "tether"`. */
export type { CallProgress, ErrorCode, JsonObject, JsonValue, Role } from "../protocol/index.ts";
export { TetherError } from "../protocol/index.ts";
export type { CallOptions, CallSink, Client, Outcome, ProcedureDescription, WaitOptions } from "./client.ts";
export { type ConnectOptions, connect } from "./connect.ts";
export { type DiscoverOptions, discover, type FoundAgent } from "./discovery/index.ts";
