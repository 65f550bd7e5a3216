export * from "./agent-key.ts";
export * from "./controllers.ts";
export * from "./lock.ts";
export * from "./pairing-desk.ts";
export * from "./state-folder.ts";
export * from "./tokens.ts";
