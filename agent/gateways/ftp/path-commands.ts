import { posix } from "node:path";
import { asTetherError, TetherError } from "../../../protocol/index.ts";
import type { Files } from "../../files/index.ts";
import { type Client, mayWrite } from "./client.ts";
import type { Commands } from "./command.ts";
import { factsLine, timeValue } from "./listing.ts";
import { factsOf } from "./places.ts";
import { codeOf, quotedPath } from "./reply.ts";
import { brokenUploadKey } from "./storing.ts";

/** Folders and names (RFC 959 §4.1.3), and what is known of them (RFC 3659). */
export const PATH_COMMANDS: Commands = {
  PWD: {
    syntax: "PWD",
    argument: "none",
    run: (client) => client.reply(257, `${quotedPath(client.folder)} is where you are`),
  },
  CWD: {
    syntax: "CWD <SP> path",
    argument: "required",
    run: (client, argument) => goTo(client, pathOf(client, argument)),
  },
  CDUP: {
    syntax: "CDUP",
    argument: "none",
    run: (client) => goTo(client, pathOf(client, "..")),
  },
  MKD: {
    syntax: "MKD <SP> path",
    argument: "required",
    run(client, argument) {
      checkWriting(client);
      const path = pathOf(client, argument);
      client.door.files.makeFolder(path);
      client.reply(257, `${quotedPath(path)} is made`);
    },
  },
  RMD: {
    syntax: "RMD <SP> path",
    argument: "required",
    run(client, argument) {
      checkWriting(client);
      const path = pathOf(client, argument);
      client.door.files.removeFolder(path);
      client.reply(250, "removed");
    },
  },
  DELE: {
    syntax: "DELE <SP> path",
    argument: "required",
    async run(client, argument) {
      checkWriting(client);
      const path = pathOf(client, argument);
      const { files } = client.door;
      await forgetBroken(client, path);
      if (files.stat(path).type === "directory")
        throw new TetherError("invalid", `${path} is a folder: use RMD`);
      await files.remove(path, false, new AbortController().signal);
      client.reply(250, "removed");
    },
  },
  RNFR: {
    syntax: "RNFR <SP> path",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      checkWriting(client);
      const path = pathOf(client, argument);
      client.door.files.stat(path);
      if (path === "/") throw new TetherError("forbidden", "the files' root itself stays as it is");
      client.renaming = path;
      client.reply(350, "and its new name?");
    },
  },
  RNTO: {
    syntax: "RNTO <SP> path",
    argument: "required",
    keepsPrelude: true,
    async run(client, argument) {
      const { renaming, door } = client;
      client.renaming = undefined;
      if (renaming === undefined) return client.reply(503, "RNFR comes first");
      const path = pathOf(client, argument);
      // A rename that moves into a folder is a thing of shells.
      if (isFolder(door.files, path)) return client.reply(553, `${path} is a folder`);
      await forgetBroken(client, path);
      try {
        await door.files.move(renaming, path);
      } catch (thrown) {
        const error = asTetherError(thrown);
        return client.reply(codeOf(error, "new name"), error.message);
      }
      client.reply(250, "renamed");
    },
  },
  SIZE: {
    syntax: "SIZE <SP> path",
    argument: "required",
    run(client, argument) {
      // RFC 3659 §4: it is the number of bytes that a transfer would have, for which the whole file would be read.
      if (client.type === "A")
        return client.reply(550, "the size of a file as text is not known: TYPE I first");
      const path = pathOf(client, argument);
      const size = brokenSize(client, path) ?? fileFacts(client, path).size;
      client.reply(213, String(size));
    },
  },
  MDTM: {
    syntax: "MDTM <SP> path",
    argument: "required",
    run(client, argument) {
      const { modified } = fileFacts(client, pathOf(client, argument));
      client.reply(213, timeValue(modified));
    },
  },
  MLST: {
    syntax: "MLST [<SP> path]",
    argument: "optional",
    run(client, argument) {
      const path = pathOf(client, argument);
      const entry = { ...factsOf(client.door.files, path), name: path };
      // RFC 3659 §7.2: one space before the facts.
      client.reply(250, `what is known of ${path}`, factsLine(entry, client.facts, mayWrite(client)), "end");
    },
  },
};

/** A path as the client means it, absolute, without `.` and `..`. */
export function pathOf(client: Client, argument: string): string {
  return posix.resolve("/", client.folder, argument);
}

/** Throws `forbidden` for whoever may only read. */
export function checkWriting(client: Client): void {
  if (mayWrite(client)) return;
  const error = new TetherError("forbidden", "you may only read here");
  client.noteRefusal(error);
  throw error;
}

function goTo(client: Client, path: string): void {
  const { type } = factsOf(client.door.files, path);
  if (type !== "directory") throw new TetherError("invalid", `${path} is not a folder`);
  client.folder = path;
  client.reply(250, `you are in ${path}`);
}

function fileFacts(client: Client, path: string): { readonly size: number; readonly modified: string } {
  const facts = factsOf(client.door.files, path);
  if (facts.type !== "file") throw new TetherError("invalid", `${path} is not a file`);
  return facts;
}

function isFolder(files: Files, path: string): boolean {
  try {
    return factsOf(files, path).type === "directory";
  } catch {
    return false;
  }
}

/** How much of a broken upload of this client's is there. */
function brokenSize(client: Client, path: string): number | undefined {
  const key = brokenUploadKey(client, path);
  return key === undefined ? undefined : client.door.broken.sizeOf(key);
}

async function forgetBroken(client: Client, path: string): Promise<void> {
  const key = brokenUploadKey(client, path);
  if (key !== undefined) await client.door.broken.discard(key);
}
