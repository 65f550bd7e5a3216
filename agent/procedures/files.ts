import type { Files } from "../files/index.ts";
import type { Procedure, Schema } from "./procedure.ts";

const path: Schema = {
  type: "string",
  description: "from the files' root, with or without a slash before it",
};
const number: Schema = { type: "number" };
const entry: Schema = {
  type: "object",
  properties: {
    name: { type: "string" },
    type: { enum: ["file", "directory", "symlink", "other"] },
    size: number,
    modified: { type: "string", format: "date-time" },
    mode: { type: "string" },
  },
};

/** `files.*`: what is in the files' root. */
export function filesProcedures(files: Files): readonly Procedure[] {
  return [
    {
      name: "files.list",
      summary:
        "The entries of a folder by name; a long folder comes in parts, each after the last name of the one before.",
      parameters: { path: { ...path, default: "/" }, after: { type: "string", default: "" } },
      result: { type: "array", items: entry },
      role: "viewer",
      retryable: true,
      run: (args, { signal }) => files.list(args.path as string, args.after as string, signal),
    },
    {
      name: "files.stat",
      summary: "One file, folder or link.",
      parameters: { path },
      result: entry,
      role: "viewer",
      retryable: true,
      run: (args) => files.stat(args.path as string),
    },
    {
      name: "files.space",
      summary: "How many bytes there are under the files' root, and how many more may be.",
      parameters: {},
      result: {
        type: "object",
        properties: {
          quota: number,
          used: number,
          free: number,
          disk: { type: "object", properties: { total: number, free: number } },
          leftovers: { type: "object", properties: { files: number, bytes: number } },
        },
      },
      role: "viewer",
      retryable: true,
      run: () => files.space(),
    },
    {
      name: "files.mkdir",
      summary: "Makes a folder.",
      parameters: { path },
      result: { type: "null" },
      role: "operator",
      retryable: false,
      run(args) {
        files.makeFolder(args.path as string);
        return null;
      },
    },
    {
      name: "files.remove",
      summary: "Removes a file; a folder, empty or not, only with recursive, and all that is in it.",
      parameters: { path, recursive: { type: "boolean", default: false } },
      result: { type: "null" },
      role: "operator",
      retryable: false,
      async run(args, { signal }) {
        await files.remove(args.path as string, args.recursive as boolean, signal);
        return null;
      },
    },
    {
      name: "files.move",
      summary: "Moves a file or folder to another name or into another folder; gives its new path.",
      parameters: { from: path, to: path },
      result: { type: "string" },
      role: "operator",
      retryable: false,
      run: (args) => files.move(args.from as string, args.to as string),
    },
  ];
}
