import { createServer, type Server, type Socket } from "node:net";
import {
  asTetherError,
  type ErrorCode,
  formatHostPort,
  GATEWAYS,
  TetherError,
} from "../../../protocol/index.ts";
import { Places, plainAddress, type Release } from "../../server/index.ts";
import type { Gateway, GatewayCounts, GatewayFacts, GatewayServices } from "../gateway.ts";
import { addressOf, listen } from "../listen.ts";
import { errorText } from "../request-text.ts";
import type { Arrival, PortClient, PortConfiguration, PortDoor } from "./client.ts";

/** What a gateway to a port needs of the agent's other rooms. */
type PortServices = Pick<GatewayServices, "devices" | "refusals">;

/** A device's port over TCP, in whichever way `serve` speaks to a client. */
export class PortGateway implements Gateway {
  readonly caution = "asks nobody who he is: everybody who reaches it may write to the device";
  readonly #configuration: PortConfiguration;
  readonly #services: PortServices;
  readonly #serve: (arrival: Arrival, door: PortDoor) => PortClient;
  readonly #places: Places;
  readonly #clients = new Set<PortClient>();
  readonly #errors = new Map<ErrorCode, number>();
  #facts: GatewayFacts;
  #server: Server | undefined;
  #looks: NodeJS.Timeout | undefined;

  constructor(
    configuration: PortConfiguration,
    services: PortServices,
    serve: (arrival: Arrival, door: PortDoor) => PortClient,
  ) {
    this.#configuration = configuration;
    this.#services = services;
    this.#serve = serve;
    const { kind, host, port, limits } = configuration;
    this.#places = new Places({ ...limits, unpaired: 0 });
    this.#facts = { kind, address: host, port };
  }

  get facts(): GatewayFacts {
    return this.#facts;
  }

  get counts(): GatewayCounts {
    return { connections: this.#clients.size, calls: 0, errors: this.#errors };
  }

  async start(): Promise<void> {
    const { kind, host, port, limits } = this.#configuration;
    // A connection whose other end has lost power would else hold the port for ever.
    const server = createServer({
      noDelay: true,
      pauseOnConnect: true,
      keepAlive: true,
      keepAliveInitialDelay: GATEWAYS.keepAlive,
    });
    await listen(server, { host, port, backlog: GATEWAYS.backlog });
    this.#facts = { kind, ...addressOf(server) };
    const door: PortDoor = {
      devices: this.#services.devices,
      refuse: (error, origin) => this.#refuse(error, origin),
    };
    server.on("connection", (socket) => this.#arrive(socket, door));
    // Such as when no descriptor is left for a connection.
    server.on("error", (error) => this.#refuse(asTetherError(error), host));
    this.#looks = setInterval(() => this.#endSilent(), limits.idle / GATEWAYS.idleLooks);
    this.#looks.unref();
    this.#server = server;
  }

  async stop(_signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    clearInterval(this.#looks);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const clients = [...this.#clients];
    for (const client of clients) client.end(new TetherError("unreachable", "the gateway is being closed"));
    await Promise.all([closed, ...clients.map(({ done }) => done)]);
  }

  #arrive(socket: Socket, door: PortDoor): void {
    const origin = plainAddress(socket.remoteAddress);
    let release: Release;
    try {
      release = this.#places.takePaired(origin);
    } catch (thrown) {
      const error = asTetherError(thrown);
      this.#refuse(error, origin);
      socket.on("error", () => undefined);
      // A line of words fits the kernel's buffer, so that nobody is waited for.
      socket.end(`${errorText(error)}\r\n`);
      socket.destroySoon();
      return;
    }
    const label = formatHostPort(origin, socket.remotePort ?? 0);
    const client = this.#serve({ socket, origin, label }, door);
    this.#clients.add(client);
    void client.done.then(() => {
      this.#clients.delete(client);
      release();
    });
  }

  #endSilent(): void {
    const { idle } = this.#configuration.limits;
    const then = performance.now() - idle;
    for (const client of this.#clients) {
      if (client.lastActive < then) client.end(new TetherError("timeout", `silent for ${idle} ms`));
    }
  }

  #refuse(error: TetherError, address: string): void {
    const { kind } = this.#configuration;
    this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
    this.#services.refusals.note(
      "gateway-refused",
      `the ${kind} gateway refused: ${error.message}`,
      { kind, address, code: error.code },
      performance.now(),
    );
  }
}
