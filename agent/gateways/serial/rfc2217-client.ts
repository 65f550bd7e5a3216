import type { Socket } from "node:net";
import { type AccessServer, serveConnection, takePatiently } from "../../../firmware-bridge/rfc2217/index.ts";
import { asTetherError, isHttp, SERIAL, TetherError, VERSION } from "../../../protocol/index.ts";
import type { Lease, PortUse } from "../../devices/index.ts";
import { errorText } from "../request-text.ts";
import type { Arrival, PortClient, PortDoor } from "./client.ts";
import { HeldComPort } from "./held-com-port.ts";
import { endWith } from "./last-words.ts";

/** A client that speaks RFC 2217 and holds a device's port from connecting until it goes. */
export class Rfc2217Client implements PortClient {
  readonly done: Promise<void>;
  lastActive = performance.now();
  readonly #socket: Socket;
  readonly #arrival: Arrival;
  readonly #door: PortDoor;
  readonly #gone: Promise<void>;
  #server: AccessServer | undefined;

  constructor(device: string, arrival: Arrival, door: PortDoor) {
    this.#arrival = arrival;
    this.#door = door;
    this.#socket = arrival.socket;
    this.#gone = new Promise((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket.on("error", () => this.#socket.destroy());
    this.done = this.#live(device);
  }

  end(reason: TetherError): void {
    this.#server?.stop();
    // Words amid the device's bytes would be taken for the device's.
    endWith(this.#socket, this.#server === undefined ? `${errorText(reason)}\r\n` : "");
  }

  async #live(device: string): Promise<void> {
    try {
      const use = await this.#door.devices.use({ port: device, mayOpen: false });
      try {
        await this.#hold(use);
      } finally {
        await use.close();
      }
    } catch (thrown) {
      this.#refuse(asTetherError(thrown));
    }
    await this.#gone;
  }

  async #hold(use: PortUse): Promise<void> {
    const { label: holder, origin } = this.#arrival;
    const wish = { holder, origin, kind: "rfc2217", mode: "exclusive" } as const;
    const lease = await takePatiently(() => use.take(wish));
    const onTaken = () => this.#refuse(asTetherError(lease.signal.reason));
    lease.signal.addEventListener("abort", onTaken, { once: true });
    // A client sees that its port is gone as it would see it on its own machine: by losing it.
    const unwatch = use.device.onState((condition) => {
      if (condition.state === "ready") return;
      this.#refuse(new TetherError("device-missing", `${use.device.name} is ${condition.state}`));
    });
    try {
      if (!this.#socket.destroyed) await this.#serve(use, lease);
    } finally {
      unwatch();
      lease.signal.removeEventListener("abort", onTaken);
      await lease.release();
    }
  }

  async #serve(use: PortUse, lease: Lease): Promise<void> {
    // Throws why the port is away, where it is.
    const hasLines = (await lease.port.inputLines()) !== undefined;
    const port = new HeldComPort(lease.port, use.traffic, {
      onMore: () => server.flush(),
      onLost: () => server.overrun(),
    });
    const server = serveConnection(this.#socket, {
      port,
      signature: `Tether ${VERSION}`,
      onActive: () => {
        this.lastActive = performance.now();
      },
      onFirst: (bytes) => this.#isWelcome(bytes),
      onFailed: (error) => this.#refuse(error),
    });
    this.#server = server;
    const look = () => server.lookAtLines().catch((thrown: unknown) => this.#refuse(asTetherError(thrown)));
    const looks = hasLines ? setInterval(look, SERIAL.linesInterval) : undefined;
    await this.#gone;
    clearInterval(looks);
    server.stop();
    port.stop();
  }

  #isWelcome(bytes: Buffer): boolean {
    if (!isHttp(bytes.toString("latin1"))) return true;
    this.#door.refuse(new TetherError("invalid", "a client that speaks HTTP"), this.#arrival.origin);
    this.#socket.destroy();
    return false;
  }

  #refuse(error: TetherError): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#door.refuse(error, this.#arrival.origin);
    this.end(error);
  }
}
