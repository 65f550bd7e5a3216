import { listPorts, type PortFacts, serialPath } from "../../firmware-bridge/index.ts";

/** Where a declared device hangs, or hung last. */
export interface DevicePort {
  readonly device: string;
  readonly path: string;
  readonly isOpen: boolean;
}

/** One serial port of the agent's machine; null where the hardware does not say. A type, so that it is JSON. */
export type SerialPortFacts = {
  path: string;
  manufacturer: string | null;
  serialNumber: string | null;
  vendorId: string | null;
  productId: string | null;
  /** The declared device that hangs there. */
  device: string | null;
};

/**
 * The machine's serial ports, and those of declared devices that the system does not list.
 *
 * @throws TetherError `device-failed` when the system cannot say and no device is declared on a port that is there
 */
export async function listSerialPorts(
  devices: readonly DevicePort[],
  signal: AbortSignal,
): Promise<SerialPortFacts[]> {
  const declared: { readonly device: string; readonly path: string; readonly target: string }[] = [];
  for (const { device, path } of devices) {
    const target = await serialPath(path).catch(() => undefined);
    if (target !== undefined) declared.push({ device, path, target });
  }
  let found: PortFacts[];
  try {
    found = await listPorts(signal);
  } catch (error) {
    if (declared.length === 0) throw error;
    found = [];
  }
  const listed = await Promise.all(
    found.map(async (port) => {
      // A link, as /dev/serial/by-id has them, is the port that it leads to.
      const target = await serialPath(port.path).catch(() => port.path);
      return facts(port, declared.find((each) => each.target === target)?.device);
    }),
  );
  const named = new Set(listed.map(({ device }) => device));
  const unlisted = declared.filter(({ device }) => !named.has(device));
  return [...listed, ...unlisted.map(({ path, device }) => facts({ path }, device))];
}

function facts(port: PortFacts, device: string | undefined): SerialPortFacts {
  const { path, manufacturer = null, serialNumber = null, vendorId = null, productId = null } = port;
  return { path, manufacturer, serialNumber, vendorId, productId, device: device ?? null };
}
