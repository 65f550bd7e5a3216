export * from "./folder-lock.ts";
export * from "./private-files.ts";
export * from "./process-mark.ts";
