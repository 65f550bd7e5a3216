export { type Entry, Files } from "./files.ts";
export { OpenedFile } from "./opened-file.ts";
export { Upload, type UploadPlace } from "./upload.ts";
