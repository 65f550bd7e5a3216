import { readdir, readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PortFacts } from "./ports.ts";

/** Where Linux lists its terminals. */
const TERMINALS = "/sys/class/tty";
/** Serial ports among them, by the names of their drivers. */
const SERIAL_NAME = /^(tty(S|WCH|ACM|USB|AMA|MFD|O|XRUSB)|rfcomm)[0-9]+$/;
/** Folders between a port and the USB device that it belongs to, at most: the port, its interface, the device. */
const LEVELS = 4;

/** The serial ports that the kernel lists: what is there where `udevadm` is not. */
export async function sysfsPorts(folder = TERMINALS): Promise<PortFacts[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names.filter((name) => SERIAL_NAME.test(name)).map((name) => portAt(join(folder, name), name)),
  );
  return found.flatMap((port) => port ?? []);
}

async function portAt(folder: string, name: string): Promise<PortFacts | undefined> {
  // Without a device behind it, or with a UART of type 0 (serial_core.h, PORT_UNKNOWN), it is a mere name.
  const device = await realpath(join(folder, "device")).catch(() => undefined);
  if (device === undefined || (await textOf(join(folder, "type"))) === "0") return undefined;
  const usb = await usbFolder(device);
  const facts = { path: `/dev/${name}` };
  if (usb === undefined) return facts;
  const [manufacturer, serialNumber, vendorId, productId] = await Promise.all(
    ["manufacturer", "serial", "idVendor", "idProduct"].map((file) => textOf(join(usb, file))),
  );
  return {
    ...facts,
    ...(manufacturer && { manufacturer }),
    ...(serialNumber && { serialNumber }),
    ...(vendorId && { vendorId }),
    ...(productId && { productId }),
  };
}

async function usbFolder(device: string): Promise<string | undefined> {
  let folder = device;
  for (let level = 0; level < LEVELS; level += 1) {
    if ((await textOf(join(folder, "idVendor"))) !== undefined) return folder;
    folder = dirname(folder);
  }
  return undefined;
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").then(
    (text) => text.trim(),
    () => undefined,
  );
}
