export { type Entry, Files } from "./files.ts";
