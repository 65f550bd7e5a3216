import { pathToFileURL } from "node:url";

/** The library as it was built, which is what people get; `path` is that of `library.mjs`. */
export async function builtLibrary(path: string): Promise<typeof import("../../controller/index.ts")> {
  return import(pathToFileURL(path).href);
}
