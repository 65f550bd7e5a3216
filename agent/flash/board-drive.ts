import { promises } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FLASH, TetherError } from "../../protocol/index.ts";

/** The file by which the drive of a board in its bootloader is known (the UF2 format). */
const MARK = "INFO_UF2.TXT";
/** Why a drive takes no more once the board has all: it has restarted, and the drive is gone. */
const RESTARTED = ["EIO", "ENODEV", "ENXIO", "ENOENT", "EROFS"];

/**
 * Waits for the drive of a board in its bootloader and gives its folder: the one that is configured, or the only one
 * that is mounted.
 *
 * @throws TetherError `device-missing` when it does not come, `device-failed` when several could be meant
 */
export async function awaitDrive(configured: string | undefined, signal: AbortSignal): Promise<string> {
  const since = performance.now();
  for (;;) {
    const candidates = configured === undefined ? await mountedFolders() : [configured];
    const drives = (await Promise.all(candidates.map(drivePath))).flatMap((path) => path ?? []);
    if (drives.length > 1) {
      throw new TetherError("device-failed", `several boards show a drive: ${drives.join(", ")}`, {
        hint: "say which in the configuration: flash: { drive: … }",
      });
    }
    if (drives[0] !== undefined) return drives[0];
    if (performance.now() - since > FLASH.bootloader) break;
    await delay(FLASH.look, undefined, { signal });
  }
  const where = configured === undefined ? "no drive of a board is mounted" : `${configured} has no ${MARK}`;
  throw new TetherError("device-missing", `${where}, after ${FLASH.bootloader / 1000} s`, {
    hint: "hold BOOTSEL while the board is plugged in, and have its drive mounted; or install picotool",
  });
}

/** Writes a file to the drive; the board takes it as it comes, and restarts with its last byte. */
export async function copyToDrive(
  drive: string,
  content: Uint8Array,
  { signal, onBytes }: { readonly signal: AbortSignal; readonly onBytes: (done: number) => void },
): Promise<void> {
  const path = join(drive, "tether.uf2");
  let handle: promises.FileHandle;
  try {
    handle = await promises.open(path, "w", 0o644);
  } catch (thrown) {
    throw new TetherError("device-failed", `the board's drive takes no file: ${(thrown as Error).message}`);
  }
  let at = 0;
  try {
    while (at < content.length) {
      signal.throwIfAborted();
      const { bytesWritten } = await handle.write(
        content,
        at,
        Math.min(FLASH.piece, content.length - at),
        at,
      );
      at += bytesWritten;
      // Or all of it would wait in the kernel, and nobody would know how far it is.
      await handle.datasync();
      onBytes(at);
    }
  } catch (thrown) {
    const { code = "", message } = thrown as NodeJS.ErrnoException;
    const isWhole = at === content.length && RESTARTED.includes(code);
    if (!isWhole) {
      if (signal.aborted) throw thrown;
      throw new TetherError(
        "device-failed",
        `the board's drive took ${at} of ${content.length} bytes: ${message}`,
      );
    }
  } finally {
    await handle.close().catch(() => undefined);
  }
}

async function drivePath(folder: string): Promise<string | undefined> {
  return await promises.access(join(folder, MARK)).then(
    () => folder,
    () => undefined,
  );
}

/** The folders where a FAT file system is mounted (proc_pid_mounts(5)). */
async function mountedFolders(): Promise<string[]> {
  const text = await promises.readFile("/proc/self/mounts", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [, folder = "", type] = line.split(" ");
    // What would end the field is written in octal.
    return type === "vfat"
      ? [folder.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)))]
      : [];
  });
}
