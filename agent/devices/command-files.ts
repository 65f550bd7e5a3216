import type { CommandFiles, SourceFile } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/index.ts";
import { entryError } from "../../transfer/index.ts";
import { type Files, OpenedFile, Upload, type UploadPlace } from "../files/index.ts";

/** Bytes of a file that are read at once. */
const PIECE = 64 * 1024;

/** The agent's files, for the commands of its devices. */
export function commandFiles(files: Files): CommandFiles {
  return {
    open: async (path) => opened(files, path),
    save: (path, bytes) => files.follow(save(files, path, bytes)),
  };
}

function opened(files: Files, path: string): SourceFile {
  let file: OpenedFile;
  try {
    file = OpenedFile.open(files, path);
  } catch (error) {
    throw entryError("read", path, error);
  }
  let isOpen = true;
  let reading: Promise<unknown> = Promise.resolve();
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    // The descriptor's number may be another file's next: no thread may still read from it.
    await reading.catch(() => undefined);
    file.close();
  };
  return {
    size: file.size,
    close,
    async *pieces() {
      const buffer = Buffer.allocUnsafeSlow(PIECE);
      try {
        for (let at = 0; isOpen; ) {
          const next = file.read(buffer, at);
          reading = next;
          const count = await next;
          if (count === 0) return;
          at += count;
          yield buffer.subarray(0, count);
        }
      } catch (error) {
        throw entryError("read", path, error);
      } finally {
        await close();
      }
    },
  };
}

async function save(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await files.room.prepare(bytes.length);
    const upload = await Upload.begin(files, placeOf(files, path), 0);
    try {
      // A copy: whoever gave the bytes may change them.
      upload.push(Buffer.from(bytes));
      await upload.settle();
      await upload.commit();
    } catch (error) {
      if (!upload.isCommitted) await upload.discard();
      throw error;
    }
  } catch (error) {
    throw entryError("write", path, error);
  }
}

function placeOf(files: Files, path: string): UploadPlace {
  const { folder, name } = files.target(path, false);
  if (name !== undefined) return { folder, name };
  folder.close();
  throw new TetherError("exists", `${path} is a folder`);
}
