import { promises } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type FlashSettings, findPort } from "../../firmware-bridge/index.ts";
import { asTetherError, FLASH, TetherError } from "../../protocol/index.ts";

/** Where Linux lists what hangs on USB. */
export const USB_DEVICES = "/sys/bus/usb/devices";
/** A Raspberry Pi's microcontroller in its bootloader: RP2040 and RP2350. */
const BOOTSEL = { vendor: "2e8a", products: ["0003", "000f"] };

/**
 * Waits for the port that a board has after it was told to start its bootloader: another one where the configuration
 * says so, else the same one, which goes and comes back, or stays.
 *
 * @throws TetherError `device-missing` when it does not come
 */
export async function awaitBootloaderPort(
  path: string,
  bootloader: FlashSettings["bootloader"],
  signal: AbortSignal,
): Promise<string> {
  if (bootloader !== undefined) {
    let why = "";
    const found = await lookFor(
      () =>
        findPort(bootloader, signal).catch((thrown) => {
          why = asTetherError(thrown).message;
          return undefined;
        }),
      FLASH.bootloader,
      signal,
    );
    if (found !== undefined) return found;
    throw new TetherError("device-missing", `the board's bootloader has not come: ${why}`);
  }
  await lookFor(async () => ((await isThere(path)) ? undefined : true), FLASH.leave, signal);
  const back = await lookFor(
    async () => ((await isThere(path)) ? path : undefined),
    FLASH.bootloader,
    signal,
  );
  if (back !== undefined) return back;
  throw new TetherError("device-missing", `${path} has gone, and the board's bootloader has not come`, {
    hint: "if it has another port there, say so in the configuration: flash: { bootloader: { vendorId: … } }",
  });
}

/**
 * Waits for a Raspberry Pi's microcontroller in its bootloader.
 *
 * @param folder the USB devices, as Linux lists them
 * @throws TetherError `device-missing` when there is none
 */
export async function awaitBootsel(folder: string, signal: AbortSignal): Promise<void> {
  const found = await lookFor(
    async () => ((await isBootsel(folder)) ? true : undefined),
    FLASH.bootloader,
    signal,
  );
  if (found) return;
  throw new TetherError("device-missing", "no RP2040 or RP2350 has come up in its bootloader", {
    hint: "hold BOOTSEL while the board is plugged in",
  });
}

/** Throws TetherError `device-missing` once the port has been away for too long; the signal's reason when it aborts. */
export async function watchPort(path: string, signal: AbortSignal): Promise<never> {
  let seen = performance.now();
  for (;;) {
    await delay(FLASH.look, undefined, { signal });
    if (await isThere(path)) seen = performance.now();
    else if (performance.now() - seen > FLASH.gone) {
      throw new TetherError(
        "device-missing",
        `${path} has gone in the middle of it, and the board is half written`,
      );
    }
  }
}

async function isBootsel(folder: string): Promise<boolean> {
  const names = await promises.readdir(folder).catch(() => []);
  for (const name of names) {
    if ((await textOf(join(folder, name, "idVendor"))) !== BOOTSEL.vendor) continue;
    if (BOOTSEL.products.includes(await textOf(join(folder, name, "idProduct")))) return true;
  }
  return false;
}

/** Looks again and again, for so many milliseconds; undefined when it was in vain. */
async function lookFor<T>(
  look: () => Promise<T | undefined>,
  bound: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const since = performance.now();
  for (;;) {
    const found = await look();
    if (found !== undefined || performance.now() - since > bound) return found;
    await delay(FLASH.look, undefined, { signal });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await promises.stat(path).then(
    () => true,
    () => false,
  );
}

async function textOf(path: string): Promise<string> {
  return await promises.readFile(path, "utf8").then(
    (text) => text.trim(),
    () => "",
  );
}
