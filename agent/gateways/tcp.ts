import { formatHostPort } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import {
  asksNobody,
  type Gateway,
  type GatewayCounts,
  type GatewayFacts,
  type GatewayServices,
} from "./gateway.ts";
import { addressOf } from "./listen.ts";
import { TextListener } from "./text-listener.ts";

type TcpConfiguration = GatewayConfiguration & { readonly kind: "tcp" };

/** Text requests over TCP. */
export class TcpGateway implements Gateway {
  readonly #configuration: TcpConfiguration;
  readonly #listener: TextListener;
  #facts: GatewayFacts;

  constructor(configuration: TcpConfiguration, services: GatewayServices) {
    this.#configuration = configuration;
    this.#listener = new TextListener(configuration, services);
    this.#facts = { kind: "tcp", address: configuration.host, port: configuration.port };
  }

  get caution(): string {
    return asksNobody(this.#configuration);
  }

  get facts(): GatewayFacts {
    return this.#facts;
  }

  get counts(): GatewayCounts {
    return this.#listener.counts;
  }

  async start(): Promise<void> {
    const { host, port } = this.#configuration;
    const server = await this.#listener.start({ host, port }, (bound) => {
      const { address, port: free } = addressOf(bound);
      return `tcp ${formatHostPort(address, free)}`;
    });
    this.#facts = { kind: "tcp", ...addressOf(server) };
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#listener.stop(signal);
  }
}
