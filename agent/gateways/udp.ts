import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { formatHostPort, GATEWAYS, type JsonValue, TetherError } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import { CallScope, plainAddress } from "../server/index.ts";
import { DatagramRate } from "./datagram-rate.ts";
import { decodeRequest } from "./framing.ts";
import {
  asksNobody,
  type Gateway,
  type GatewayCounts,
  type GatewayFacts,
  type GatewayServices,
} from "./gateway.ts";
import { GatewayCalls } from "./gateway-calls.ts";
import { addressOf, bindError } from "./listen.ts";
import { answerText, errorText, readRequest } from "./request-text.ts";

type UdpConfiguration = GatewayConfiguration & { readonly kind: "udp" };

/** Text requests over UDP, a datagram each; bound to 0.0.0.0 it also hears what is broadcast. */
export class UdpGateway implements Gateway {
  readonly #configuration: UdpConfiguration;
  readonly #services: GatewayServices;
  readonly #calls: GatewayCalls;
  readonly #rate = new DatagramRate();
  readonly #scopes = new Set<CallScope>();
  #facts: GatewayFacts;
  #label = "udp";
  #socket: Socket | undefined;
  /** Called when the last call has ended, while stopping. */
  #idle: (() => void) | undefined;

  constructor(configuration: UdpConfiguration, services: GatewayServices) {
    this.#configuration = configuration;
    this.#services = services;
    this.#calls = new GatewayCalls(configuration, services);
    this.#facts = { kind: "udp", address: configuration.host, port: configuration.port };
  }

  get caution(): string {
    return asksNobody(this.#configuration);
  }

  get facts(): GatewayFacts {
    return this.#facts;
  }

  get counts(): GatewayCounts {
    return { connections: 0, calls: this.#calls.count, errors: this.#calls.errors };
  }

  async start(): Promise<void> {
    const { host, port } = this.#configuration;
    const where = formatHostPort(host, port);
    const { address, family } = await lookup(host).catch((error: NodeJS.ErrnoException) => {
      throw bindError(error, where);
    });
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(bindError(error, where));
      });
      socket.bind(port, address, resolve);
    });
    socket.removeAllListeners("error");
    // Such as an answer to an address that the network does not reach; the asker asks again.
    socket.on("error", () => undefined);
    this.#facts = { kind: "udp", ...addressOf(socket) };
    this.#label = `udp ${formatHostPort(addressOf(socket).address, addressOf(socket).port)}`;
    this.#socket = socket;
    socket.on("message", (datagram, from) => this.#take(datagram, from));
  }

  async stop(signal: AbortSignal): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.removeAllListeners("message");
    if (this.#scopes.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#socket = undefined;
    for (const scope of this.#scopes) scope.abort(new TetherError("unreachable", "the gateway is closed"));
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  #take(datagram: Buffer, from: RemoteInfo): void {
    const origin = plainAddress(from.address);
    // Nothing can be sent there; and two programs that answer each other's errors would never end.
    if (from.port === 0 || datagram.subarray(0, 7).equals(ERROR)) return;
    if (!this.#rate.take(origin, performance.now())) {
      this.#calls.refuse(new TetherError("limit", "too many datagrams from one address"), origin);
      return;
    }
    const answer = (result: JsonValue) => this.#send(answerText(result), datagram.length, from);
    const fail = (thrown: unknown) => this.#fail(thrown, datagram.length, from);
    try {
      const most = this.#configuration.limits.requestBytes;
      if (datagram.length > most) {
        throw new TetherError("limit", `a request has at most ${most} bytes`);
      }
      const scope = new CallScope(this.#calls.caller(this.#label, origin));
      const result = this.#calls.call(readRequest(decodeRequest(datagram), this.#configuration), scope);
      if (!(result instanceof Promise)) {
        answer(result);
        return;
      }
      this.#scopes.add(scope);
      result
        .then(answer)
        .catch(fail)
        .finally(() => {
          this.#scopes.delete(scope);
          if (this.#scopes.size === 0) this.#idle?.();
        });
    } catch (thrown) {
      fail(thrown);
    }
  }

  /** Sends a result. Throws `limit` for one that is too long. */
  #send(text: string, asked: number, to: RemoteInfo): void {
    const most = longestAnswer(asked);
    const length = Buffer.byteLength(text);
    if (length > most) {
      throw new TetherError("limit", `the answer has ${length} bytes, ${most} at most to this request`);
    }
    this.#transmit(Buffer.from(text), to);
  }

  /** An error is for people: what does not fit is cut. */
  #fail(thrown: unknown, asked: number, to: RemoteInfo): void {
    this.#transmit(cut(Buffer.from(errorText(thrown)), longestAnswer(asked)), to);
  }

  #transmit(datagram: Buffer, to: RemoteInfo): void {
    const socket = this.#socket;
    if (socket === undefined || socket.getSendQueueSize() > GATEWAYS.queuedDatagrams) return;
    socket.send(datagram, to.port, to.address, (error) => {
      if (error === null) return;
      this.#services.refusals.note(
        "gateway-failed",
        `an answer of the udp gateway was not sent: ${error.message}`,
        { kind: "udp", address: plainAddress(to.address) },
        performance.now(),
      );
    });
  }
}

const ERROR = Buffer.from("error: ");

/** Bytes of an answer to a request of `asked` bytes; whoever forges an address gains little by it (RFC 9000 §8.1). */
function longestAnswer(asked: number): number {
  const { amplification, datagramHeaders, datagram } = GATEWAYS;
  return Math.min(datagram, amplification * (asked + datagramHeaders) - datagramHeaders);
}

/** The beginning of a text without half a character (RFC 3629 §3). */
function cut(text: Buffer, most: number): Buffer {
  if (text.length <= most) return text;
  let end = most;
  while (end > 0 && ((text[end] ?? 0) & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}
