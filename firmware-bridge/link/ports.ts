import { TetherError } from "../../protocol/errors.ts";
import type { PortChoice } from "../profile.ts";
import { loadSerialPort } from "./serialport.ts";
import { sysfsPorts } from "./sysfs-ports.ts";

/** A serial port of this machine; what the hardware does not say is left out. */
export interface PortFacts {
  readonly path: string;
  readonly manufacturer?: string;
  readonly serialNumber?: string;
  /** Four hexadecimal digits, lower case. */
  readonly vendorId?: string;
  /** Four hexadecimal digits, lower case. */
  readonly productId?: string;
}

/**
 * The serial ports of this machine, by path: from udev, and where there is none from the kernel.
 * Pseudo-terminals are never among them.
 *
 * @throws TetherError `device-failed` when the system cannot say, or the signal's reason.
 */
export async function listPorts(signal?: AbortSignal): Promise<PortFacts[]> {
  signal?.throwIfAborted();
  const found = await udevPorts();
  signal?.throwIfAborted();
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The path of the one port that a `match` means. Throws as {@link listPorts} and {@link choosePort}. */
export async function findPort(
  match: Omit<Extract<PortChoice, { kind: "match" }>, "kind">,
  signal?: AbortSignal,
): Promise<string> {
  return choosePort({ kind: "match", ...match }, await listPorts(signal)).path;
}

async function udevPorts(): Promise<PortFacts[]> {
  const binding = await loadSerialPort();
  let found: Awaited<ReturnType<typeof binding.list>>;
  try {
    found = await binding.list();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return await sysfsPorts();
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TetherError("device-failed", `the serial ports cannot be listed: ${reason}`, { cause: thrown });
  }
  return found.map(({ path, manufacturer, serialNumber, vendorId, productId }) => ({
    path,
    ...(manufacturer ? { manufacturer } : {}),
    ...(serialNumber ? { serialNumber } : {}),
    ...(vendorId ? { vendorId: usbId(vendorId) } : {}),
    ...(productId ? { productId: usbId(productId) } : {}),
  }));
}

/**
 * The one port among `ports` that a `match` means.
 *
 * @throws TetherError `device-missing` when there is none, `device-failed` when several could be meant.
 */
export function choosePort(
  choice: Extract<PortChoice, { kind: "match" }>,
  ports: readonly PortFacts[],
): PortFacts {
  const asked = [
    choice.vendorId === undefined ? [] : [`vendorId ${usbId(choice.vendorId)}`],
    choice.productId === undefined ? [] : [`productId ${usbId(choice.productId)}`],
    choice.serialNumber === undefined ? [] : [`serialNumber "${choice.serialNumber}"`],
  ].flat();
  const matching = ports.filter(
    (port) =>
      asked.length > 0 &&
      (choice.vendorId === undefined || port.vendorId === usbId(choice.vendorId)) &&
      (choice.productId === undefined || port.productId === usbId(choice.productId)) &&
      // Many cheap adapters have an empty one: it says nothing about which adapter this is.
      (choice.serialNumber === undefined ||
        (choice.serialNumber !== "" && port.serialNumber === choice.serialNumber)),
  );
  const [port, second] = matching;
  if (!port) throw new TetherError("device-missing", `there is no port with ${asked.join(", ")}`);
  if (second) {
    const paths = matching.map(({ path }) => path).join(", ");
    throw new TetherError("device-failed", `several ports have ${asked.join(", ")}: ${paths}`, {
      hint: "say which by its serialNumber, or by a path under /dev/serial/by-path",
    });
  }
  return port;
}

function usbId(text: string): string {
  return text.toLowerCase().replace(/^0x/, "").padStart(4, "0");
}
