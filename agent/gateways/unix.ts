import { chmod, lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import { TetherError } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import type { Gateway, GatewayCounts, GatewayFacts, GatewayServices } from "./gateway.ts";
import { TextListener } from "./text-listener.ts";

type UnixConfiguration = GatewayConfiguration & { readonly kind: "unix" };

/** The owner's and his group's: who may write to a socket may connect to it (unix(7)). */
const MODE = 0o660;

/** Text requests over a Unix socket. */
export class UnixGateway implements Gateway {
  /** The socket's mode says who may connect. */
  readonly caution = undefined;
  readonly facts: GatewayFacts;
  readonly #path: string;
  readonly #listener: TextListener;

  constructor(configuration: UnixConfiguration, services: GatewayServices) {
    this.#path = configuration.path;
    this.facts = { kind: "unix", path: configuration.path };
    this.#listener = new TextListener(configuration, services);
  }

  get counts(): GatewayCounts {
    return this.#listener.counts;
  }

  async start(): Promise<void> {
    await removeStale(this.#path);
    await this.#listener.start({ path: this.#path }, () => `unix ${this.#path}`);
    // The usual umask lets only the owner connect before this, and never more than the umask allows.
    await chmod(this.#path, MODE);
  }

  async stop(signal: AbortSignal): Promise<void> {
    await this.#listener.stop(signal);
  }
}

/**
 * Removes the socket of a program that was killed.
 *
 * @throws TetherError `exists` for anything but a socket; `busy` for one that somebody listens on
 */
async function removeStale(path: string): Promise<void> {
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (facts === undefined) return;
  if (!facts.isSocket()) {
    throw new TetherError("exists", `${path} is there already and is no socket`, {
      hint: "remove it, or choose another path",
    });
  }
  if (await isListening(path)) {
    throw new TetherError("busy", `${path} is in use by another program`);
  }
  await rm(path);
}

/** True unless the kernel says that nobody listens: what cannot be told is not removed. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}
