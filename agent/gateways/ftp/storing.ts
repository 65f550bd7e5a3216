import { posix } from "node:path";
import { asTetherError, TetherError } from "../../../protocol/index.ts";
import { entryError } from "../../../transfer/index.ts";
import { Upload, type UploadPlace } from "../../files/index.ts";
import type { Client } from "./client.ts";
import { receive } from "./incoming.ts";
import { AS_IT_IS, FromNetworkLines } from "./text-type.ts";
import { transfer } from "./transfer.ts";

/** Whose broken upload of a name it is; undefined for what can be no file's name. */
export function brokenUploadKey(client: Client, path: string): string | undefined {
  try {
    const place = placeOf(client, path);
    const key = keyOf(client, place);
    place.folder.close();
    return key;
  } catch {
    return undefined;
  }
}

/**
 * STOR and APPE: takes a file after the first `keep` bytes of what is there, or after all of it. What is there is
 * the upload of that name which broke, where this client has one, else the file.
 *
 * @throws TetherError what stands in the way, before anything is transferred
 */
export async function store(client: Client, path: string, keep: number | "all"): Promise<void> {
  if (client.channel === undefined) {
    client.reply(425, "PORT or PASV comes first");
    return;
  }
  const { files } = client.door;
  files.checkTransfers();
  const place = placeOf(client, path);
  const key = keyOf(client, place);
  try {
    const begun = await begin(client, place, key, keep);
    await files.follow(take(client, { ...begun, key, path }));
  } catch (error) {
    throw entryError("write", path, error);
  }
}

/** An upload under way. */
interface Storing {
  readonly upload: Upload;
  /** True when it goes on with one that broke. */
  readonly isResumed: boolean;
  readonly key: string;
  /** For messages. */
  readonly path: string;
}

async function take(client: Client, storing: Storing): Promise<void> {
  const { upload, isResumed, key, path } = storing;
  const before = upload.size;
  const conversion = client.type === "A" ? new FromNetworkLines() : AS_IT_IS;
  let failure: TetherError | undefined;
  await transfer(client, `send ${posix.basename(path)}`, async (socket, signal) => {
    try {
      await receive(socket, upload, conversion, signal);
      await upload.settle();
      // Also when the control connection ended at the same time as the data: then nobody knows whether it was all.
      if (signal.aborted) throw asTetherError(signal.reason);
      await upload.commit();
      return `${upload.size - before} bytes came and are on the disk`;
    } catch (error) {
      failure = entryError("write", path, error);
      throw failure;
    }
  });
  note(client, path, upload, failure);
  if (upload.isCommitted) return;
  const isBroken = failure?.code === "unreachable" || failure?.code === "timeout";
  const isWorthIt = isBroken || (isResumed && failure === undefined);
  if (isWorthIt && client.type === "I" && upload.size > 0) await putAside(client, upload, key);
  else await upload.discard();
}

/** Begins an upload, or goes on with the client's own that broke. */
async function begin(
  client: Client,
  place: UploadPlace,
  key: string,
  keep: number | "all",
): Promise<{ readonly upload: Upload; readonly isResumed: boolean }> {
  const { files, broken } = client.door;
  const upload = broken.take(key);
  if (upload !== undefined && keep !== 0 && (keep === "all" || keep <= upload.size)) {
    place.folder.close();
    try {
      upload.resume(keep);
    } catch (error) {
      await broken.keep(key, upload);
      throw error;
    }
    return { upload, isResumed: true };
  }
  await upload?.discard();
  return { upload: await Upload.begin(files, place, keep), isResumed: false };
}

async function putAside(client: Client, upload: Upload, key: string): Promise<void> {
  try {
    await upload.suspend();
  } catch {
    // What was not written cannot be gone on with.
    await upload.discard();
    return;
  }
  await client.door.broken.keep(key, upload);
}

function note(client: Client, path: string, upload: Upload, failure: TetherError | undefined): void {
  const { log } = client.door;
  const facts = { label: client.login, address: client.address, target: path, bytes: upload.size };
  if (upload.isCommitted) {
    log.info("files-written", `${client.login} wrote ${path} over FTP`, { ...facts, files: 1 });
  } else if (failure !== undefined) {
    const { code, message } = failure;
    log.warn("files-not-written", `${client.login} could not write ${path} over FTP: ${message}`, {
      ...facts,
      code,
    });
  }
}

function placeOf(client: Client, path: string): UploadPlace {
  const { folder, name } = client.door.files.target(path, false);
  if (name !== undefined) return { folder, name };
  folder.close();
  throw new TetherError("exists", `${path} is a folder`);
}

function keyOf(client: Client, { folder, name }: UploadPlace): string {
  return JSON.stringify([client.login, client.address, folder.key(), name]);
}
