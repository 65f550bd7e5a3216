import { Device, LINE_DEFAULTS, serialPath, type Traffic } from "../../firmware-bridge/index.ts";
import { SERIAL, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import { type Holder, type Lease, Leases, type LeaseWish } from "./lease.ts";

/** A port that many use at once: they watch it, and one of them writes. */
export class UsedPort {
  readonly device: Device;
  readonly leases: Leases;
  users = 0;
  readonly #onEnded = new Set<(reason: TetherError) => void>();

  constructor(device: Device, log: Log) {
    this.device = device;
    this.leases = new Leases(device, log);
  }

  /** Somebody begins to use it. `last` is called when nobody does any more. */
  use(last: () => Promise<void>): PortUse {
    if (this.users >= SERIAL.watchers) {
      throw new TetherError("busy", `${this.users} use the port of ${this.device.name} already`);
    }
    this.users += 1;
    const ended = new AbortController();
    const end = (reason: TetherError) => ended.abort(reason);
    this.#onEnded.add(end);
    const holder = () => this.leases.holder;
    let closed = false;
    return {
      device: this.device,
      traffic: this.device.traffic,
      get holder() {
        return holder();
      },
      signal: ended.signal,
      take: (wish) => {
        if (ended.signal.aborted) throw ended.signal.reason;
        return this.leases.take(wish);
      },
      close: async () => {
        if (closed) return;
        closed = true;
        this.#onEnded.delete(end);
        this.users -= 1;
        if (this.users === 0) await last();
      },
    };
  }

  /** The port is no longer declared, or the agent stops: everybody who uses it is told. */
  end(reason: TetherError): void {
    this.leases.end(reason);
    for (const end of this.#onEnded) end(reason);
  }
}

/** One's use of a port, until he closes it. */
export interface PortUse {
  /** The declared device, or one of driver `raw` that is called as the port's path. */
  readonly device: Device;
  readonly traffic: Traffic;
  /** Who holds the port now. */
  readonly holder: Holder | null;
  /** Aborts with a TetherError when there is no such port any more. */
  readonly signal: AbortSignal;
  /** Throws TetherError `busy`, who holds the port since when. */
  take(wish: LeaseWish): Promise<Lease>;
  /** Leases are not given back by this. */
  close(): Promise<void>;
}

/** Ports that no device is declared on: opened for the first who uses them, closed after the last. */
export class UndeclaredPorts {
  readonly #log: Log;
  readonly #ports = new Map<string, { readonly port: UsedPort; readonly opened: Promise<void> }>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Opens the port at a path, as `serialPath` gives it, or joins those who use it.
   *
   * @throws TetherError `device-missing`, `busy`, `device-failed` when it cannot be opened
   */
  async use(path: string, baudRate?: number): Promise<PortUse> {
    const entry = this.#ports.get(path) ?? this.#open(path, baudRate);
    const { port, opened } = entry;
    const use = port.use(async () => {
      if (this.#ports.get(path) === entry) this.#ports.delete(path);
      await port.device.stop();
    });
    await opened;
    const { state, reason } = port.device.condition;
    if (state === "ready" || port.users > 1) return use;
    await use.close();
    const code = state === "busy" ? "busy" : state === "failed" ? "device-failed" : "device-missing";
    throw new TetherError(code, reason ?? `${path} is ${state}`);
  }

  async stop(reason: TetherError): Promise<void> {
    const ports = [...this.#ports.values()];
    this.#ports.clear();
    await Promise.all(
      ports.map(async ({ port }) => {
        port.end(reason);
        await port.device.stop();
      }),
    );
  }

  #open(path: string, baudRate: number | undefined) {
    if (this.#ports.size >= SERIAL.undeclared) {
      throw new TetherError("busy", `${this.#ports.size} ports without a device are open already`);
    }
    const device = new Device(
      {
        name: path,
        port: { kind: "path", path, ...(baudRate !== undefined && { baudRate }) },
        driver: "raw",
        line: LINE_DEFAULTS,
        commands: {},
        readings: {},
      },
      { log: this.#log, now: Date.now },
    );
    const entry = { port: new UsedPort(device, this.#log), opened: device.start() };
    this.#ports.set(path, entry);
    return entry;
  }
}

/** The one of the devices that hangs at a path, as `serialPath` gives it, or hung there last. */
export async function deviceAt(path: string, devices: Iterable<Device>): Promise<Device | undefined> {
  for (const device of devices) {
    const own = device.path;
    if (own?.startsWith("/") && (await serialPath(own).catch(() => undefined)) === path) return device;
  }
  return undefined;
}
