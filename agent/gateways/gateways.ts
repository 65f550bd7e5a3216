import { asTetherError, formatHostPort, GATEWAYS, isLoopback } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import type { Gateway, GatewayFacts, GatewayServices, GatewaySurroundings } from "./gateway.ts";
import { createGateway } from "./kinds.ts";

/** A gateway that is wanted; `gateway` is there once it listens. */
interface Wanted {
  readonly configuration: GatewayConfiguration;
  gateway: Gateway | undefined;
  /** The next try, while it could not be opened. */
  retry: NodeJS.Timeout | undefined;
}

/**
 * The gateways of the configuration. One that cannot be opened is tried again: it keeps neither the agent nor
 * the others from their work.
 */
export class Gateways {
  readonly #services: GatewaySurroundings;
  /** By their configuration, so that one that stays the same goes on when it is read again. */
  readonly #wanted = new Map<string, Wanted>();

  constructor(services: GatewayServices) {
    this.#services = { ...services, gateways: () => this.#listening() };
  }

  /** Opens and closes gateways until they are those of the configuration. Does not throw: the log tells of failures. */
  async apply(configurations: readonly GatewayConfiguration[]): Promise<void> {
    const next = new Map(configurations.map((one) => [JSON.stringify(one), one]));
    const gone = [...this.#wanted].filter(([key]) => !next.has(key));
    // Before others are opened: they may want the same port.
    await Promise.all(
      gone.map(async ([key, wanted]) => {
        this.#wanted.delete(key);
        await close(wanted, AbortSignal.timeout(GATEWAYS.finishWithin));
      }),
    );
    await Promise.all([...this.#wanted.values()].map((wanted) => this.#refresh(wanted)));
    for (const [key, configuration] of next) {
      if (this.#wanted.has(key)) continue;
      const wanted: Wanted = { configuration, gateway: undefined, retry: undefined };
      this.#wanted.set(key, wanted);
      await this.#open(key, wanted, true);
    }
  }

  /** Where they listen, in the order of the configuration. */
  facts(): GatewayFacts[] {
    return this.#listening().map(({ facts }) => facts);
  }

  #listening(): Gateway[] {
    return [...this.#wanted.values()].flatMap(({ gateway }) => gateway ?? []);
  }

  /** Closes all; calls in flight get until `signal` aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    const all = [...this.#wanted.values()];
    this.#wanted.clear();
    await Promise.all(all.map((wanted) => close(wanted, signal)));
  }

  async #open(key: string, wanted: Wanted, first: boolean): Promise<void> {
    const { kind } = wanted.configuration;
    const { log } = this.#services;
    try {
      const gateway = await createGateway(wanted.configuration, this.#services);
      await gateway.start();
      if (this.#wanted.get(key) !== wanted) {
        await gateway.stop(AbortSignal.abort());
        return;
      }
      wanted.gateway = gateway;
      this.#announce(gateway);
    } catch (thrown) {
      const error = asTetherError(thrown);
      if (first) {
        const pause = GATEWAYS.retryInterval / 1000;
        log.error("gateway-failed", `the ${kind} gateway is tried again every ${pause} s: ${error.message}`, {
          kind,
          code: error.code,
        });
      }
      if (this.#wanted.get(key) !== wanted) return;
      wanted.retry = setTimeout(() => {
        wanted.retry = undefined;
        void this.#open(key, wanted, false);
      }, GATEWAYS.retryInterval);
      wanted.retry.unref();
    }
  }

  #announce({ facts, caution }: Gateway): void {
    const { log } = this.#services;
    const where = "path" in facts ? facts.path : formatHostPort(facts.address, facts.port);
    log.info("gateway", `the ${facts.kind} gateway listens on ${where}`, facts);
    if (caution === undefined || "path" in facts || isLoopback(facts.address)) return;
    log.warn("gateway-open", `the ${facts.kind} gateway on ${where} ${caution}`, facts);
  }

  async #refresh({ configuration: { kind }, gateway }: Wanted): Promise<void> {
    try {
      await gateway?.refresh?.();
    } catch (thrown) {
      const error = asTetherError(thrown);
      this.#services.log.error("gateway-failed", `the ${kind} gateway stays as it was: ${error.message}`, {
        kind,
        code: error.code,
      });
    }
  }
}

async function close(wanted: Wanted, signal: AbortSignal): Promise<void> {
  clearTimeout(wanted.retry);
  await wanted.gateway?.stop(signal);
}
