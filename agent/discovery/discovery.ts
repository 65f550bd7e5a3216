import { createPublicKey, randomBytes } from "node:crypto";
import { type Identity, type JsonObject, VERSION } from "../../protocol/index.ts";
import { MdnsAdvertiser } from "./mdns.ts";
import { DiscoveryResponder } from "./responder.ts";

/** How the agent wants to be found. */
export interface Visibility {
  readonly name: string;
  readonly tags: readonly string[];
  readonly discovery: { readonly broadcast: boolean; readonly port: number; readonly mdns: boolean };
}

/** Who is found, and where. */
export interface DiscoveryOptions {
  readonly identity: Identity;
  /** Address and port on which the native port listens. */
  readonly service: () => { readonly address: string; readonly port: number };
  /** Takes what the owner should know: an event's name, and who, from where and why. */
  readonly log: (event: string, details: JsonObject) => void;
}

/** The ways in which the agent is found, opened and closed as the configuration has them now. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  #responder: { readonly port: number; readonly open: DiscoveryResponder } | undefined;
  #advertiser: { readonly name: string; readonly open: MdnsAdvertiser } | undefined;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /**
   * Makes the agent visible as wanted; what is as before stays open.
   *
   * @throws TetherError `busy` for a UDP port that another program has; what was open before stays then
   */
  async apply(wanted: Visibility): Promise<void> {
    await this.#respond(wanted);
    await this.#advertise(wanted);
  }

  /** Says goodbye and closes everything. */
  async stop(): Promise<void> {
    await Promise.all([this.#responder?.open.stop(), this.#advertiser?.open.stop()]);
    this.#responder = undefined;
    this.#advertiser = undefined;
  }

  async #respond({ name, tags, discovery }: Visibility): Promise<void> {
    const old = this.#responder;
    if (discovery.broadcast && old?.port === discovery.port) {
      old.open.update({ name, tags });
      return;
    }
    // The new one first, so that a port that cannot be had costs nothing.
    this.#responder = discovery.broadcast
      ? { port: discovery.port, open: await this.#openResponder(discovery.port, name, tags) }
      : undefined;
    await old?.open.stop();
  }

  async #openResponder(port: number, name: string, tags: readonly string[]): Promise<DiscoveryResponder> {
    const { identity, service, log } = this.#options;
    const responder = new DiscoveryResponder({
      port,
      identity: {
        id: identity.id,
        privateKey: identity.privateKey,
        publicKey: createPublicKey(identity.privateKey),
      },
      name,
      tags,
      version: VERSION,
      instance: randomBytes(8).toString("hex"),
      servicePort: () => service().port,
      serviceHost: () => service().address,
      log,
      now: () => performance.now(),
    });
    await responder.start();
    return responder;
  }

  async #advertise({ name, discovery }: Visibility): Promise<void> {
    const old = this.#advertiser;
    if (discovery.mdns && old?.name === name) return;
    this.#advertiser = undefined;
    await old?.open.stop();
    if (!discovery.mdns) return;
    const { identity, service, log } = this.#options;
    const open = new MdnsAdvertiser({
      id: identity.id,
      name,
      version: VERSION,
      fingerprint: identity.fingerprint,
      port: service().port,
      log,
    });
    await open.start();
    this.#advertiser = { name, open };
  }
}
