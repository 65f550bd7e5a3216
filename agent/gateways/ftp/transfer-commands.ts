import { posix } from "node:path";
import { FTP } from "../../../protocol/index.ts";
import { entryError } from "../../../transfer/index.ts";
import { type Client, mayWrite } from "./client.ts";
import type { Commands } from "./command.ts";
import { Download } from "./download.ts";
import { factsLine, fitsPattern, isPattern, type Listed, longLine } from "./listing.ts";
import { Outgoing } from "./outgoing.ts";
import { checkWriting, pathOf } from "./path-commands.ts";
import { entriesOf, factsOf } from "./places.ts";
import { codeOf, printable } from "./reply.ts";
import { store } from "./storing.ts";
import { AS_IT_IS, ToNetworkLines } from "./text-type.ts";
import { transfer } from "./transfer.ts";

/** Moving data (RFC 959 §4.1.3, RFC 3659). */
export const TRANSFER_COMMANDS: Commands = {
  LIST: {
    syntax: "LIST [<SP> path]",
    argument: "optional",
    run(client, argument) {
      const now = Date.now();
      return list(client, withoutOptions(argument), (entry) => longLine(entry, now));
    },
  },
  NLST: {
    syntax: "NLST [<SP> path]",
    argument: "optional",
    run(client, argument) {
      const path = withoutOptions(argument);
      return list(client, path, ({ name }, isInside) => printable(usablePath(path, name, isInside)));
    },
  },
  MLSD: {
    syntax: "MLSD [<SP> path]",
    argument: "optional",
    run(client, argument) {
      const path = pathOf(client, argument);
      if (factsOf(client.door.files, path).type !== "directory") {
        // RFC 3659 §7.2.1.
        return client.reply(501, `${path} is not a folder: MLST tells of a file`);
      }
      return sendList(client, path, undefined, (entry) => factsLine(entry, client.facts, mayWrite(client)));
    },
  },
  RETR: {
    syntax: "RETR <SP> path",
    argument: "required",
    run: (client, argument) => retrieve(client, pathOf(client, argument)),
  },
  STOR: {
    syntax: "STOR <SP> path",
    argument: "required",
    run: (client, argument) => storeAt(client, argument, client.restart),
  },
  APPE: {
    syntax: "APPE <SP> path",
    argument: "required",
    run: (client, argument) => storeAt(client, argument, "all"),
  },
  STAT: {
    syntax: "STAT [<SP> path]",
    argument: "optional",
    beforeLogin: true,
    run: (client, argument) => (argument === "" ? tellState(client) : tellEntries(client, argument)),
  },
  ABOR: {
    syntax: "ABOR",
    argument: "none",
    run(client) {
      // A transfer under way was ended when this command came.
      client.arrange(undefined);
      client.reply(226, "nothing is being transferred any more");
    },
  },
};

/** How an entry is written; `isInside`: it lies in the folder that was asked for, and is not what was asked for. */
type Writing = (entry: Listed, isInside: boolean) => string;

async function list(client: Client, argument: string, line: Writing): Promise<void> {
  const path = pathOf(client, argument);
  const { files } = client.door;
  const name = posix.basename(path);
  if (isPattern(name) && !exists(client, path)) {
    const folder = posix.dirname(path);
    if (factsOf(files, folder).type !== "directory") return client.reply(550, `${folder} is not a folder`);
    return sendList(client, folder, name, (entry) => line(entry, true));
  }
  const isInside = factsOf(files, path).type === "directory";
  return sendList(client, path, undefined, (entry) =>
    line(isInside ? entry : { ...entry, name: argument }, isInside),
  );
}

async function sendList(
  client: Client,
  path: string,
  pattern: string | undefined,
  line: (entry: Listed) => string,
): Promise<void> {
  const { files } = client.door;
  files.checkTransfers();
  await files.follow(
    transfer(client, `the entries of ${path}`, async (socket, signal) => {
      const target = new Outgoing(socket, signal);
      let count = 0;
      let text = "";
      for await (const page of entriesOf(files, path, signal)) {
        for (const entry of page) {
          if (pattern !== undefined && !fitsPattern(entry.name, pattern)) continue;
          count++;
          text += `${line(entry)}\r\n`;
          if (text.length < FTP.piece) continue;
          await target.write(text);
          text = "";
        }
      }
      await target.write(text);
      await target.end();
      return count === 1 ? "1 entry" : `${count} entries`;
    }),
  );
}

async function retrieve(client: Client, path: string): Promise<void> {
  const { restart, type, door } = client;
  if (type === "A" && restart > 0)
    return client.reply(504, "a text is sent from its beginning: TYPE I first");
  door.files.checkTransfers();
  let file: Download;
  try {
    file = Download.open(door.files, path);
  } catch (error) {
    throw entryError("read", path, error);
  }
  try {
    // RFC 1123 §4.1.2.9 has this code for it.
    if (restart > file.size) return client.reply(554, `${path} has only ${file.size} bytes`);
    const bytes = file.size - restart;
    await door.files.follow(
      transfer(client, `${posix.basename(path)} (${bytes} bytes)`, async (socket, signal) => {
        const target = new Outgoing(socket, signal);
        await file.send(restart, target, type === "A" ? new ToNetworkLines() : AS_IT_IS);
        await target.end();
        return "that was all";
      }),
    );
  } finally {
    file.close();
  }
}

async function storeAt(client: Client, argument: string, keep: number | "all"): Promise<void> {
  try {
    checkWriting(client);
    if (client.type === "A" && typeof keep === "number" && keep > 0) {
      return client.reply(504, "a text is sent from its beginning: TYPE I first");
    }
    await store(client, pathOf(client, argument), keep);
  } catch (thrown) {
    const error = entryError("write", argument, thrown);
    const isTooFew = error.code === "invalid" && keep !== 0 && keep !== "all";
    client.reply(isTooFew ? 554 : codeOf(error, "new name"), error.message);
  }
}

function tellState(client: Client): void {
  const { login, type, protectsData, isSecure, transfer: current } = client;
  client.reply(
    211,
    "this server",
    `you are ${login ?? "not logged in"}, at ${client.address}`,
    `commands are ${isSecure ? "protected" : "in the clear"}, data is ${protectsData ? "protected" : "in the clear"}`,
    `TYPE ${type}, MODE S, STRU F`,
    current === undefined ? "nothing is being transferred" : "a transfer is under way",
    "end",
  );
}

/** The entries as LIST has them, over the control connection. */
async function tellEntries(client: Client, argument: string): Promise<void> {
  if (client.login === undefined) return client.reply(530, "log in first");
  const path = pathOf(client, argument);
  const { files } = client.door;
  const isFolder = factsOf(files, path).type === "directory";
  const code = isFolder ? 212 : 213;
  const now = Date.now();
  await client.send(`${code}-${printable(path)}\r\n`);
  await client.whileTransferring(async (signal) => {
    for await (const page of entriesOf(files, path, signal)) {
      for (const entry of page) await client.send(`${longLine(entry, now)}\r\n`);
    }
  });
  client.reply(code, "end");
}

function exists(client: Client, path: string): boolean {
  try {
    client.door.files.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** What many clients put before the path, as if it were the program `ls`. */
function withoutOptions(argument: string): string {
  return argument.replace(/^(?:-[A-Za-z1]+(?: +|$))+/, "");
}

/** RFC 1123 §4.1.2.7: a name that can stand in the next command as it is. */
function usablePath(argument: string, name: string, isInside: boolean): string {
  if (!isInside) return argument;
  const folder = isPattern(posix.basename(argument))
    ? argument.slice(0, argument.lastIndexOf("/") + 1)
    : argument;
  if (folder === "" || folder === ".") return name;
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}
