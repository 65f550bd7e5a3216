import { type Device, SERIAL_DEFAULTS, sendLine, serialPath } from "../../firmware-bridge/index.ts";
import { type JsonObject, SERIAL, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Arguments, CallContext, Procedure } from "../procedures/index.ts";
import type { DeviceFacts } from "./facts.ts";
import { type DevicePort, listSerialPorts } from "./serial-ports.ts";

/** What the procedures need of the desk. */
export interface DeskDoor {
  list(): DeviceFacts[];
  /** The declared device of that name. */
  device(name: string): Device | undefined;
  readonly log: Log;
}

/** `devices.list`, `serial.list` and `serial.send`. */
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
  if (!port.startsWith("/")) return await deviceNamed(desk, port).say(text, signal);
  const path = await serialPath(port);
  const holder = await holderOf(path, devicePorts(desk));
  if (holder !== undefined) {
    throw new TetherError("busy", `${port} is held by the device ${holder}`, {
      hint: `send to the device by its name: ${holder}`,
    });
  }
  desk.log.info("serial-opened", `${caller.label} sends a line to ${path}`, {
    label: caller.label,
    address: caller.origin,
    path,
  });
  return await sendLine({ path, baudRate, text }, signal);
}

function deviceNamed(desk: DeskDoor, name: string): Device {
  const device = desk.device(name);
  if (device) return device;
  const names = desk.list().map((each) => each.name);
  throw new TetherError("not-found", `there is no device "${name}"`, {
    hint: names.length === 0 ? "none is declared" : `there are: ${names.join(", ")}`,
  });
}

/** The device that has the port at a path open. */
async function holderOf(path: string, ports: readonly DevicePort[]): Promise<string | undefined> {
  for (const { device, path: held, isOpen } of ports) {
    if (isOpen && (await serialPath(held).catch(() => undefined)) === path) return device;
  }
  return undefined;
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
