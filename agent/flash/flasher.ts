import { setTimeout as delay } from "node:timers/promises";
import {
  type Device,
  type DeviceState,
  FLASH_DEFAULTS,
  type FlashSettings,
  type Image,
  planFlash,
  playReset,
  readImage,
} from "../../firmware-bridge/index.ts";
import { asTetherError, type CallProgress, FLASH, roleAllows, TetherError } from "../../protocol/index.ts";
import type { DeviceDesk, Lease } from "../devices/index.ts";
import type { Log } from "../log.ts";
import type { Caller } from "../procedures/index.ts";
import { type Programs, programEnvironment } from "../programs/index.ts";
import { awaitDrive, copyToDrive } from "./board-drive.ts";
import { awaitBootloaderPort, awaitBootsel, USB_DEVICES } from "./bootloader.ts";
import { Ending } from "./ending.ts";
import { choosePlan, type InstalledPlan } from "./installed.ts";
import { oneLine } from "./tool-output.ts";
import { runTool } from "./tool-run.ts";

/** What flashing needs around it. */
export interface FlashSurroundings {
  readonly desk: DeviceDesk;
  readonly programs: Programs;
  readonly log: Log;
  /** Where the system lists its USB devices. */
  readonly usb?: string;
}

/** What is to be flashed, and for whom. */
export interface FlashWish {
  /** Name of a declared device. */
  readonly device: string;
  /** The file's name, whose ending says what it is, and its content. */
  readonly name: string;
  readonly content: Uint8Array;
  /** Take the port from whoever holds it. */
  readonly take: boolean;
  readonly caller: Caller;
  /** Ends the flashing; but `unreachable`, a caller who is lost, lets it go on. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CallProgress) => void;
  /** Each line that the tool prints. */
  readonly onLine: (line: string) => void;
}

/** How it went. A type, so that it is a JsonObject. */
export type FlashOutcome = {
  device: string;
  tool: string;
  /** Of the file. */
  bytes: number;
  /** That the port was taken. */
  seconds: number;
  /** How the device stands afterwards. */
  state: string;
};

/** What one flashing works with. */
interface Work {
  readonly device: Device;
  readonly lease: Lease;
  readonly plan: InstalledPlan;
  readonly settings: FlashSettings;
  readonly image: Image;
  readonly wish: FlashWish;
  /** Aborts when it has to end before it is done. */
  readonly signal: AbortSignal;
}

/**
 * Flashes a board: takes its port from all who use it, has the tool do it, and gives the port back, however it went.
 * What can be known to be wrong is told before anybody loses the port.
 *
 * @throws TetherError `invalid` for a file or a configuration that does not do, `not-found` for an unknown device or
 * a tool that is not installed, `forbidden`, `busy` with who holds the port, `device-missing`, `device-failed` with
 * the tool's last words, `timeout`, `cancelled`
 */
export async function flash(wish: FlashWish, around: FlashSurroundings): Promise<FlashOutcome> {
  const { caller } = wish;
  if (wish.device.startsWith("/")) {
    throw new TetherError("invalid", "a board is flashed by the name of its device, and not by a path");
  }
  if (wish.take && !roleAllows(caller.role, "admin")) {
    throw new TetherError(
      "forbidden",
      `to take a port from somebody needs the role admin; you have ${caller.role}`,
    );
  }
  const use = await around.desk.use({ port: wish.device, mayOpen: false });
  try {
    const { device } = use;
    const settings = device.flash ?? { timeout: FLASH_DEFAULTS.timeout };
    const image = readImage(oneLine(wish.name), wish.content);
    const plan = await choosePlan(planFlash(settings, image, device.name), programEnvironment().PATH ?? "");
    refuseWithoutPort(device, plan);
    const since = performance.now();
    const lease = await use.take({
      holder: caller.label,
      origin: caller.origin,
      kind: "flash",
      mode: "exclusive",
      take: wish.take,
    });
    const note = (event: string, does: string, facts = {}) =>
      around.log.info(event, `${caller.label} ${does} ${device.name} with ${plan.tool}`, {
        device: device.name,
        label: caller.label,
        address: caller.origin,
        tool: plan.tool,
        bytes: image.content.length,
        ...facts,
      });
    const ending = new Ending(wish.signal, lease.signal, settings.timeout, () =>
      note("flash-goes-on", "goes on to flash"),
    );
    let flashed = false;
    try {
      note("flash-started", "flashes");
      await write({ device, lease, plan, settings, image, wish, signal: ending.signal }, around);
      note("flash-ended", "has flashed");
      flashed = true;
    } catch (thrown) {
      const error = ending.signal.aborted ? asTetherError(ending.signal.reason) : asTetherError(thrown);
      note("flash-failed", "has not flashed", { code: error.code, reason: error.message });
      throw error;
    } finally {
      ending.release();
      await lease.release();
      // A board that starts its new program may take its USB port away once more.
      await reopened(device, flashed ? ["ready"] : ["ready", "missing", "failed"]);
    }
    const seconds = Math.round(performance.now() - since) / 1000;
    return {
      device: device.name,
      tool: plan.tool,
      bytes: image.content.length,
      seconds,
      state: device.state,
    };
  } finally {
    await use.close();
  }
}

/** What is flashed by its port has to have one; the others may be in their bootloader already. */
function refuseWithoutPort(device: Device, { program, reset }: InstalledPlan): void {
  const { path } = device;
  if (path !== undefined && !path.startsWith("/")) {
    throw new TetherError("invalid", `${device.name} is simulated, and has nothing to be flashed`);
  }
  const needsPort = program?.needsPort === true;
  if (!needsPort || (path !== undefined && device.state === "ready")) return;
  // A reset needs the port open; without one the tool itself may open what is only closed to us.
  if (path !== undefined && device.state !== "missing" && reset === "none") return;
  const { state, reason = "" } = device.condition;
  throw new TetherError("device-missing", `${device.name} is ${state}: ${reason}`);
}

async function write(work: Work, around: FlashSurroundings): Promise<void> {
  const { device, lease, plan, settings, image, wish, signal } = work;
  const { drive, bootloader } = settings;
  const path = device.path ?? "";
  const isOpen = device.state === "ready";
  const wait = (milliseconds: number) => delay(milliseconds, undefined, { signal });
  if (isOpen) await playReset(plan.reset, lease.port, wait);
  await lease.closePort();
  signal.throwIfAborted();
  if (plan.program === undefined) {
    const folder = await awaitDrive(drive, signal);
    const total = image.content.length;
    const onBytes = (done: number) => wish.onProgress({ done, total, note: "writing" });
    await copyToDrive(folder, image.content, { signal, onBytes });
    return;
  }
  if (!plan.program.needsPort) await awaitBootsel(around.usb ?? USB_DEVICES, signal);
  const wasTouched = isOpen && plan.reset === "touch" && plan.program.needsPort;
  const port = wasTouched ? await awaitBootloaderPort(path, bootloader, signal) : path;
  await around.programs.work.within(`image.${image.kind}`, image.content, (file) =>
    runTool(work, port, file, around.programs),
  );
}

/** Waits until the driver has the port again, or it stands otherwise in one of these ways, but not for long. */
async function reopened(device: Device, enough: readonly DeviceState[]): Promise<void> {
  if (enough.includes(device.state)) return;
  await new Promise<void>((resolve) => {
    const unhear = device.onState(({ state }) => {
      if (enough.includes(state)) done();
    });
    const timer = setTimeout(() => done(), FLASH.reopen);
    const done = () => {
      clearTimeout(timer);
      unhear();
      resolve();
    };
  });
}
