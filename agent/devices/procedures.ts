import { type Device, SERIAL_DEFAULTS, serialPath } from "../../firmware-bridge/index.ts";
import { type JsonObject, SERIAL, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Arguments, CallContext, Procedure } from "../procedures/index.ts";
import type { PortWish } from "./desk.ts";
import type { DeviceFacts, StatisticsFacts } from "./facts.ts";
import type { Leases } from "./lease.ts";
import { type DevicePort, listSerialPorts } from "./serial-ports.ts";
import { deviceAt, type PortUse } from "./used-ports.ts";

/** What the procedures need of the desk. */
export interface DeskDoor {
  list(): DeviceFacts[];
  /** The declared device of that name. Throws TetherError `not-found`. */
  device(name: string): Device;
  /** The declared devices, each with who holds it. */
  devices(): readonly { readonly device: Device; readonly leases: Leases }[];
  use(wish: PortWish): Promise<PortUse>;
  readonly log: Log;
}

/** `devices.list`, `devices.statistics`, `devices.reopen`, `serial.list` and `serial.send`. */
export function deskProcedures(desk: DeskDoor): Procedure[] {
  const text = { type: "string" };
  const perhaps = { type: ["string", "null"] };
  return [
    {
      name: "devices.list",
      summary: "Lists the hardware on the agent's serial ports.",
      parameters: {},
      result: {
        type: "array",
        items: object({
          name: text,
          driver: text,
          state: text,
          path: perhaps,
          commands: { type: "array", items: text },
          readings: { type: "array", items: text },
        }),
      },
      role: "viewer",
      retryable: true,
      run: () => desk.list(),
    },
    {
      name: "devices.statistics",
      summary: "What has passed on each device's port since the agent started, and who holds it.",
      parameters: {},
      result: {
        type: "array",
        items: object({
          name: text,
          state: text,
          reason: perhaps,
          bytesIn: { type: "integer" },
          bytesOut: { type: "integer" },
          opens: { type: "integer" },
          reconnects: { type: "integer" },
          errors: { type: "integer" },
          lastFailure: { type: ["object", "null"], properties: { code: text, message: text, time: text } },
          watchers: { type: "integer" },
          holder: { type: ["object", "null"], properties: { label: text, kind: text, since: text } },
        }),
      },
      role: "viewer",
      retryable: true,
      run: () => desk.devices().map(statisticsOf),
    },
    {
      name: "devices.reopen",
      summary: "Tries to open a device's port now, as after it was closed with `reopen: false`.",
      parameters: { device: text },
      result: { type: "null" },
      role: "operator",
      retryable: true,
      run: (args) => {
        desk.device((args as { device: string }).device).reopen();
        return null;
      },
    },
    {
      name: "serial.list",
      summary: "Lists the agent's serial ports, each with the device that is declared on it.",
      parameters: {},
      result: {
        type: "array",
        items: object({
          path: text,
          manufacturer: perhaps,
          serialNumber: perhaps,
          vendorId: perhaps,
          productId: perhaps,
          device: perhaps,
        }),
      },
      role: "viewer",
      retryable: true,
      run: (_args, { signal }) => listSerialPorts(devicePorts(desk), signal),
    },
    {
      name: "serial.send",
      summary:
        "Sends one line to a device, or to a port that no device has, and gives the line that answers.",
      parameters: {
        port: { type: "string", description: "name of a declared device, or path of a port" },
        text: { type: "string", maxLength: SERIAL.unit },
        baudRate: {
          type: "integer",
          minimum: 50,
          maximum: 12_000_000,
          default: SERIAL_DEFAULTS.baudRate,
          description: "bits a second, of a port that no device has",
        },
      },
      result: text,
      role: "operator",
      retryable: false,
      run: (args, context) => send(desk, args, context),
    },
  ];
}

async function send(desk: DeskDoor, args: Arguments, { caller, signal }: CallContext): Promise<string> {
  const { port, text, baudRate } = args as { port: string; text: string; baudRate: number };
  if (!port.startsWith("/")) return await desk.device(port).say(text, signal);
  const path = await serialPath(port);
  const holder = await deviceAt(
    path,
    desk.devices().map(({ device }) => device),
  );
  if (holder?.state === "ready") {
    throw new TetherError("busy", `${port} is held by the device ${holder.name}`, {
      hint: `send to the device by its name: ${holder.name}`,
    });
  }
  desk.log.info("serial-opened", `${caller.label} sends a line to ${path}`, {
    label: caller.label,
    address: caller.origin,
    path,
  });
  const use = await desk.use({ port: path, mayOpen: true, baudRate });
  try {
    return await use.device.say(text, signal);
  } finally {
    await use.close();
  }
}

function statisticsOf({
  device,
  leases,
}: {
  readonly device: Device;
  readonly leases: Leases;
}): StatisticsFacts {
  const { lastFailure, ...counts } = device.statistics;
  return {
    name: device.name,
    state: device.state,
    reason: device.condition.reason ?? null,
    ...counts,
    lastFailure: lastFailure ? { ...lastFailure, time: new Date(lastFailure.time).toISOString() } : null,
    watchers: device.traffic.followers,
    holder: leases.holder,
  };
}

function devicePorts(desk: DeskDoor): DevicePort[] {
  return desk
    .list()
    .flatMap(({ name, path, state }) =>
      path?.startsWith("/") ? [{ device: name, path, isOpen: state === "ready" }] : [],
    );
}

function object(properties: JsonObject): JsonObject {
  return { type: "object", properties };
}
