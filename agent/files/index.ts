export { type Entry, Files, type Space } from "./files.ts";
