export * from "./errors.ts";
export * from "./json.ts";
export * from "./keys.ts";
export * from "./limits.ts";
export * from "./roles.ts";
