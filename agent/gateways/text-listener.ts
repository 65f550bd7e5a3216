import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { asTetherError, GATEWAYS, type TetherError } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import { Places, plainAddress, type Release } from "../server/index.ts";
import { ByteBudget } from "./byte-budget.ts";
import type { GatewayCounts, GatewayServices } from "./gateway.ts";
import { GatewayCalls } from "./gateway-calls.ts";
import { listen } from "./listen.ts";
import { errorText } from "./request-text.ts";
import { TextConnection, type TextDoor } from "./text-connection.ts";

type TextConfiguration = GatewayConfiguration & { readonly kind: "tcp" | "unix" };

/** Serves text over connections, wherever they come from. */
export class TextListener {
  readonly #configuration: TextConfiguration;
  readonly #calls: GatewayCalls;
  readonly #services: GatewayServices;
  readonly #places: Places;
  readonly #connections = new Set<TextConnection>();
  #server: Server | undefined;
  #looks: NodeJS.Timeout | undefined;

  constructor(configuration: TextConfiguration, services: GatewayServices) {
    this.#configuration = configuration;
    this.#services = services;
    this.#calls = new GatewayCalls(configuration, services);
    this.#places = new Places({ ...configuration.limits, unpaired: 0 });
  }

  get counts(): GatewayCounts {
    const { count, errors } = this.#calls;
    return { connections: this.#connections.size, calls: count, errors };
  }

  /** Listens. `labelOf` names the gateway once it is bound. Throws as {@link listen}. */
  async start(options: ListenOptions, labelOf: (server: Server) => string): Promise<Server> {
    // An old client shuts its side down and still waits for the answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await listen(server, { ...options, backlog: GATEWAYS.backlog });
    const { limits, kind } = this.#configuration;
    const door: TextDoor = {
      configuration: this.#configuration,
      calls: this.#calls,
      label: labelOf(server),
      unfinished: new ByteBudget(Math.max(GATEWAYS.unfinishedRequests, 2 * limits.requestBytes)),
      waiting: new ByteBudget(GATEWAYS.waitingAnswers),
    };
    server.on("connection", (socket) => this.#arrive(socket, door));
    // Such as when no descriptor is left for a connection.
    server.on("error", (error) =>
      this.#services.refusals.note(
        "gateway-failed",
        `the ${kind} gateway: ${error.message}`,
        { kind, address: door.label },
        performance.now(),
      ),
    );
    this.#looks = setInterval(() => {
      const then = performance.now() - limits.idle;
      for (const connection of this.#connections) connection.endIfSilentSince(then);
    }, limits.idle / GATEWAYS.idleLooks);
    this.#looks.unref();
    this.#server = server;
    return server;
  }

  /** Takes nobody new, waits for calls in flight until `signal` aborts, and ends everybody. */
  async stop(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    clearInterval(this.#looks);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    const end = () => {
      for (const connection of this.#connections) connection.destroy();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    await closed;
    signal.removeEventListener("abort", end);
  }

  #arrive(socket: Socket, door: TextDoor): void {
    const origin =
      this.#configuration.kind === "unix" ? this.#configuration.path : plainAddress(socket.remoteAddress);
    let release: Release;
    try {
      release =
        this.#configuration.kind === "unix" ? this.#places.take("paired") : this.#places.takePaired(origin);
    } catch (thrown) {
      this.#turnAway(socket, origin, asTetherError(thrown));
      return;
    }
    const connection = new TextConnection(socket, origin, door);
    this.#connections.add(connection);
    socket.once("close", () => {
      this.#connections.delete(connection);
      release();
    });
  }

  #turnAway(socket: Socket, origin: string, error: TetherError): void {
    this.#calls.refuse(error, origin);
    socket.on("error", () => undefined);
    // A line of words fits the kernel's buffer, so that nobody is waited for.
    socket.end(`${errorText(error)}\n`);
    socket.destroySoon();
  }
}
