import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { asTetherError, formatHostPort, GATEWAYS, roleAllows, TetherError } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import type { Caller } from "../procedures/index.ts";
import { CallScope, Places, plainAddress, type Release } from "../server/index.ts";
import { ByteBudget } from "./byte-budget.ts";
import {
  asksNobody,
  type Gateway,
  type GatewayCounts,
  type GatewayFacts,
  type GatewaySurroundings,
} from "./gateway.ts";
import { GatewayCalls } from "./gateway-calls.ts";
import { isListedOrigin, isOwnHost, isOwnOrigin, isPreflight, tokenOf } from "./http-gates.ts";
import { addressOf, listen } from "./listen.ts";
import { PendingBytes } from "./pending-bytes.ts";
import { errorText } from "./request-text.ts";

export type HttpConfiguration = GatewayConfiguration & { readonly kind: "xmlrpc" | "http" };

/** The head of a request that has passed the gates. */
export interface HttpHead {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** `Content-Type` without its parameters, in small letters; empty where there is none. */
  readonly mediaType: string;
  /** Its `charset`, in small letters. */
  readonly charset: string | undefined;
  readonly caller: Caller;
  /** Makes the context of one call, which ends when the client goes away. */
  readonly scope: () => CallScope;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
  /** Why nothing was done, for the log. */
  readonly refused?: TetherError;
}

/** What a protocol over HTTP does with requests. */
export interface HttpService {
  /** Answers a request that needs no body, or refuses one before its body is read; undefined: read on. */
  withoutBody(head: HttpHead): HttpAnswer | Promise<HttpAnswer> | undefined;
  /** Answers a request with its body. Does not throw. */
  withBody(head: HttpHead, body: Buffer): HttpAnswer | Promise<HttpAnswer>;
}

/** What a service is made with. */
export interface HttpDoor {
  readonly configuration: HttpConfiguration;
  readonly surroundings: GatewaySurroundings;
  readonly calls: GatewayCalls;
}

const inflate = promisify(gunzip);

/** What every answer says (the first: browsers must not take it for anything else). */
const HEADERS = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" };

/** Status of an error for which there is no other answer (RFC 9110 §15). */
const STATUS: { readonly [code: string]: number } = { limit: 413, invalid: 400, busy: 503, timeout: 408 };

/** A gateway over HTTP or HTTPS: the gates that every request passes before its service sees it. */
export class HttpFront implements Gateway {
  readonly #configuration: HttpConfiguration;
  readonly #surroundings: GatewaySurroundings;
  readonly #calls: GatewayCalls;
  readonly #service: HttpService;
  readonly #places: Places;
  readonly #sockets = new Set<Socket>();
  readonly #unfinished: ByteBudget;
  readonly #waiting = new ByteBudget(GATEWAYS.waitingAnswers);
  readonly #responses = new Set<ServerResponse>();
  readonly #machine = hostname();
  #facts: GatewayFacts & { address: string };
  #label: string;
  #server: Server | SecureServer | undefined;
  #certificate: X509Certificate | undefined;
  /** Called when the last answer is gone, while stopping. */
  #idle: (() => void) | undefined;

  constructor(
    configuration: HttpConfiguration,
    surroundings: GatewaySurroundings,
    serviceOf: (door: HttpDoor) => HttpService,
  ) {
    const { kind, host, port, limits } = configuration;
    this.#configuration = configuration;
    this.#surroundings = surroundings;
    this.#calls = new GatewayCalls(configuration, surroundings);
    this.#service = serviceOf({ configuration, surroundings, calls: this.#calls });
    this.#places = new Places({ ...limits, unpaired: 0 });
    this.#unfinished = new ByteBudget(Math.max(GATEWAYS.unfinishedRequests, 2 * limits.requestBytes));
    this.#facts = { kind, address: host, port };
    this.#label = kind;
  }

  get facts(): GatewayFacts {
    return this.#facts;
  }

  get counts(): GatewayCounts {
    return { connections: this.#sockets.size, calls: this.#calls.count, errors: this.#calls.errors };
  }

  get caution(): string | undefined {
    const { tokens, tls } = this.#configuration;
    if (!tokens) return asksNobody(this.#configuration);
    return tls === undefined ? "takes tokens without TLS: who listens on the network learns them" : undefined;
  }

  async start(): Promise<void> {
    const { host, port, kind } = this.#configuration;
    const server = await this.#createServer();
    await listen(server, { host, port, backlog: GATEWAYS.backlog });
    this.#facts = { kind, ...addressOf(server) };
    this.#label = `${kind} ${formatHostPort(this.#facts.address, this.#facts.port)}`;
    this.#server = server;
    server.on("connection", (socket) => this.#arrive(socket));
    server.on("request", (request, response) => void this.#serve(request, response));
    // Such as when no descriptor is left for a connection.
    server.on("error", (error) => this.#note(`the ${kind} gateway: ${error.message}`, this.#label));
    server.on("tlsClientError", (error: Error, socket: Socket) =>
      this.#note(`a handshake failed: ${error.message}`, plainAddress(socket.remoteAddress)),
    );
  }

  /** Reads the certificate again; connections that are open stay. */
  async refresh(): Promise<void> {
    if (this.#server !== undefined && "setSecureContext" in this.#server) {
      this.#server.setSecureContext(await this.#readCertificate());
    }
  }

  async stop(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    if (this.#responses.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #createServer(): Promise<Server | SecureServer> {
    const { limits, tls } = this.#configuration;
    const options = {
      keepAliveTimeout: limits.idle,
      headersTimeout: Math.min(limits.idle, GATEWAYS.httpHeadTime),
      requestTimeout: limits.idle,
      connectionsCheckingInterval: Math.min(limits.idle, GATEWAYS.httpLooks),
      maxHeaderSize: GATEWAYS.httpHead,
      noDelay: true,
    };
    if (tls === undefined) return createServer(options);
    return createSecureServer({
      ...options,
      ...(await this.#readCertificate()),
      minVersion: "TLSv1.2",
      handshakeTimeout: GATEWAYS.httpHeadTime,
    });
  }

  async #readCertificate(): Promise<{ cert: Buffer; key: Buffer }> {
    const { tls } = this.#configuration;
    if (tls === undefined) throw new TetherError("internal", "a gateway without TLS has no certificate");
    const [cert, key] = await Promise.all([readFile(tls.certificate), readFile(tls.key)]);
    try {
      this.#certificate = new X509Certificate(cert);
    } catch (error) {
      throw new TetherError("invalid", `${tls.certificate} is no certificate in PEM`, { cause: error });
    }
    return { cert, key };
  }

  #arrive(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    let release: Release;
    try {
      release = this.#places.takePaired(address);
    } catch (thrown) {
      this.#calls.refuse(asTetherError(thrown), address);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      release();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const scopes = new Set<CallScope>();
    this.#responses.add(response);
    response.once("close", () => {
      this.#responses.delete(response);
      if (this.#responses.size === 0) this.#idle?.();
      if (response.writableFinished) return;
      for (const scope of scopes) scope.abort(goneAway());
    });
    try {
      const answer = await this.#answer(request, scopes);
      if (answer.refused) this.#calls.refuse(answer.refused, plainAddress(request.socket.remoteAddress));
      this.#send(request, response, this.#opened(request, answer));
    } catch (thrown) {
      const error = asTetherError(thrown);
      if (error.code === "cancelled") return;
      const address = plainAddress(request.socket.remoteAddress);
      if (error.code !== "internal") this.#calls.refuse(error, address);
      else this.#surroundings.log.error("fault", `the ${this.#label} gateway: ${error.message}`, { address });
      this.#send(request, response, this.#opened(request, refusal(STATUS[error.code] ?? 500, error)));
    }
  }

  async #answer(request: IncomingMessage, scopes: Set<CallScope>): Promise<HttpAnswer> {
    const address = plainAddress(request.socket.remoteAddress);
    const wrongDoor = this.#wrongDoor(request);
    if (wrongDoor !== undefined) return refusal(...wrongDoor);
    if (isPreflight(request) && this.#isWelcome(request)) return preflightAnswer();
    const caller = this.#callerOf(request.headers.authorization, address);
    if (caller === undefined) {
      const error = new TetherError(
        "unauthorized",
        "this gateway takes only requests with a token of its agent",
        {
          hint: "`tetherd token` on the Pi makes one",
        },
      );
      const realm = `realm="tether", charset="UTF-8"`;
      return refusal(401, error, { "WWW-Authenticate": `Bearer ${realm}, Basic ${realm}` });
    }
    const scope = () => {
      const one = new CallScope(caller);
      scopes.add(one);
      return one;
    };
    const head: HttpHead = { ...readHead(request), caller, scope };
    const early = this.#service.withoutBody(head);
    if (early !== undefined) return early;
    const encoding = request.headers["content-encoding"]?.toLowerCase() ?? "identity";
    if (encoding !== "identity" && encoding !== "gzip" && encoding !== "x-gzip") {
      return refusal(415, new TetherError("invalid", `the body is encoded as ${encoding}; allowed: gzip`), {
        "Accept-Encoding": "gzip",
      });
    }
    const body = await this.#readBody(request);
    return this.#service.withBody(head, encoding === "identity" ? body : await this.#inflate(body));
  }

  /** Refuses what a page of somebody else's may have made a browser send. */
  #wrongDoor({ headers, rawHeaders }: IncomingMessage): [number, TetherError] | undefined {
    const { host = "", origin } = headers;
    let hosts = 0;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === "host") hosts++;
    }
    if (hosts !== 1) {
      return [400, new TetherError("invalid", "a request needs one Host (RFC 9112 §3.2)")];
    }
    const names = {
      configured: this.#configuration.host,
      bound: this.#facts.address,
      machine: this.#machine,
      certificate: this.#certificate,
    };
    if (!isOwnHost(host, names)) {
      return [
        421,
        new TetherError("forbidden", `the Host ${JSON.stringify(host)} is none of this gateway's`),
      ];
    }
    const isOwn = origin === undefined || isOwnOrigin(origin, host, this.#configuration.tls !== undefined);
    if (!isOwn && !isListedOrigin(origin, this.#configuration.origins)) {
      return [
        403,
        new TetherError("forbidden", `pages of ${JSON.stringify(origin)} may not call this gateway`),
      ];
    }
    return undefined;
  }

  /** True where the page that calls is of an origin that the owner has named. */
  #isWelcome({ headers: { origin } }: IncomingMessage): boolean {
    return origin !== undefined && isListedOrigin(origin, this.#configuration.origins);
  }

  /** Lets a page of a named origin read the answer, refusals too; no cookie ever means anything here. */
  #opened(request: IncomingMessage, answer: HttpAnswer): HttpAnswer {
    if (this.#configuration.origins.length === 0) return answer;
    const headers = { ...answer.headers, Vary: "Origin" };
    if (!this.#isWelcome(request)) return { ...answer, headers };
    return {
      ...answer,
      headers: { ...headers, "Access-Control-Allow-Origin": request.headers.origin ?? "" },
    };
  }

  /** Who calls; undefined where a token is asked for and none came that is good. */
  #callerOf(authorization: string | undefined, address: string): Caller | undefined {
    if (!this.#configuration.tokens) return this.#calls.caller(this.#label, address);
    const token = authorization === undefined ? undefined : tokenOf(authorization);
    const known = token === undefined ? undefined : this.#surroundings.tokens.find(token);
    if (known === undefined) return undefined;
    // Neither gives more than the other.
    const { role } = this.#configuration;
    return this.#calls.caller(
      `token ${known.label}`,
      address,
      roleAllows(known.role, role) ? role : known.role,
    );
  }

  async #readBody(request: IncomingMessage): Promise<Buffer> {
    const most = this.#configuration.limits.requestBytes;
    if (Number(request.headers["content-length"] ?? 0) > most) throw tooLong(most);
    const bytes = new PendingBytes();
    let held = 0;
    try {
      await new Promise<void>((resolve, reject) => {
        request.on("data", (chunk: Buffer) => {
          bytes.append(chunk);
          if (bytes.length > most) reject(tooLong(most));
          else if (this.#unfinished.change(held, bytes.length)) held = bytes.length;
          else
            reject(new TetherError("busy", "all clients together have sent too much that is not finished"));
        });
        request.once("end", resolve);
        request.once("error", reject);
        request.once("close", () => {
          if (!request.readableEnded) reject(goneAway());
        });
      });
      return bytes.take(bytes.length);
    } finally {
      this.#unfinished.change(held, 0);
      request.removeAllListeners("data");
    }
  }

  async #inflate(body: Buffer): Promise<Buffer> {
    const most = this.#configuration.limits.requestBytes;
    try {
      return await inflate(body, { maxOutputLength: most });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLong(most);
      throw new TetherError("invalid", "the body is not gzip", { cause: error });
    }
  }

  #send(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
    if (response.destroyed) return;
    const { status, headers, body = "" } = answer;
    const bytes = Buffer.byteLength(body);
    if (!this.#waiting.change(0, bytes)) {
      const error = new TetherError("busy", "too many answers wait to be read");
      this.#calls.refuse(error, plainAddress(request.socket.remoteAddress));
      this.#send(request, response, refusal(503, error));
      return;
    }
    response.once("close", () => this.#waiting.change(bytes, 0));
    // Until it is taken; between requests Node counts the silence itself.
    request.socket.setTimeout(this.#configuration.limits.idle);
    if (this.#server === undefined) response.shouldKeepAlive = false;
    if (!request.complete) this.#discard(request);
    response.writeHead(status, {
      ...HEADERS,
      ...headers,
      ...(status !== 204 && { "Content-Length": bytes }),
    });
    response.end(body);
  }

  /** Lets a client that is still sending read why nobody listens, for a while. */
  #discard(request: IncomingMessage): void {
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), GATEWAYS.farewell);
    timer.unref();
    for (const event of ["end", "close"]) request.once(event, () => clearTimeout(timer));
  }

  #note(message: string, address: string): void {
    const { kind } = this.#configuration;
    this.#surroundings.refusals.note("gateway-failed", message, { kind, address }, performance.now());
  }
}

/** An answer in words, as in the text gateways. */
export function refusal(status: number, error: TetherError, headers: HttpAnswer["headers"] = {}): HttpAnswer {
  return {
    status,
    headers: { ...headers, "Content-Type": "text/plain; charset=utf-8" },
    body: `${errorText(error)}\n`,
    refused: error,
  };
}

/** What a browser asks before a page of a named origin may send (Fetch, "CORS-preflight request"). */
function preflightAnswer(): HttpAnswer {
  return {
    status: 204,
    headers: {
      "Access-Control-Allow-Methods": "GET, HEAD, POST",
      "Access-Control-Allow-Headers": "authorization, content-encoding, content-type",
      "Access-Control-Max-Age": String(GATEWAYS.preflightAge),
    },
  };
}

/** Refuses a method that a path does not have (RFC 9110 §15.5.6). */
export function methodNotAllowed(method: string, allowed: string): HttpAnswer {
  const error = new TetherError("invalid", `${method} is not for this path; allowed: ${allowed}`);
  return refusal(405, error, { Allow: allowed });
}

/** Refuses a body of another type, or in another character set than the given ones. */
export function checkType(
  { mediaType, charset }: HttpHead,
  wanted: string,
  charsets: readonly string[],
): HttpAnswer | undefined {
  if (mediaType !== wanted) {
    const shown = mediaType === "" ? "no Content-Type" : `the Content-Type ${mediaType}`;
    return refusal(415, new TetherError("invalid", `${shown}; allowed: ${wanted}`), { Accept: wanted });
  }
  if (charset === undefined || charsets.includes(charset)) return undefined;
  return refusal(415, new TetherError("invalid", `the charset ${charset}; allowed: ${charsets.join(", ")}`));
}

function readHead({ method = "", url = "", headers }: IncomingMessage) {
  const [mediaType = "", ...parameters] = (headers["content-type"] ?? "").toLowerCase().split(";");
  const charset = parameters
    .map((parameter) => /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/.exec(parameter)?.[1])
    .find((found) => found !== undefined);
  return { method, path: url.split("?", 1)[0] ?? "", mediaType: mediaType.trim(), charset };
}

function goneAway(): TetherError {
  return new TetherError("cancelled", "the client went away");
}

function tooLong(most: number): TetherError {
  return new TetherError("limit", `a request has at most ${most} bytes`);
}
