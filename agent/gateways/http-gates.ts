import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { isLoopback } from "../../protocol/index.ts";

/** What an HTTP gateway may be called by. */
export interface OwnNames {
  /** `host` of the configuration. */
  readonly configured: string;
  /** The address that it has bound. */
  readonly bound: string;
  /** The machine's own host name. */
  readonly machine: string;
  readonly certificate: X509Certificate | undefined;
}

/**
 * True when a `Host` names this gateway. A page whose name was made to lead to this machine sends its own name
 * (DNS rebinding), so that any other is refused; an address cannot be made to lead anywhere else.
 */
export function isOwnHost(host: string, own: OwnNames): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (name === "localhost" || isLoopback(name) || name === own.configured.toLowerCase()) return true;
  if (name === own.bound) return true;
  if (own.certificate !== undefined && isCertified(name, own.certificate)) return true;
  if (own.bound !== "0.0.0.0" && own.bound !== "::") return false;
  const machine = own.machine.toLowerCase();
  return isIP(name) !== 0 || name === machine || name === `${machine}.local`;
}

/** True when an `Origin` is the page that the gateway itself has given out (RFC 6454 §5). */
export function isOwnOrigin(origin: string, host: string, secure: boolean): boolean {
  return origin.toLowerCase() === `${secure ? "https" : "http"}://${host.toLowerCase()}`;
}

/** True when an `Origin` is one of those that the owner lets call. */
export function isListedOrigin(origin: string, origins: readonly string[]): boolean {
  return origins.includes(origin.toLowerCase());
}

/** True for the question that a browser asks before a page's request (Fetch, "CORS-preflight request"). */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

/**
 * The token of an `Authorization`: as a bearer token (RFC 6750 §2.1), or as the password of any user, for
 * clients that have nothing else (RFC 7617 §2).
 */
export function tokenOf(authorization: string): string | undefined {
  const [, scheme = "", credentials = ""] = /^(\w+) +(\S+) *$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const pair = Buffer.from(credentials, "base64").toString();
  const colon = pair.indexOf(":");
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/** Without its port and the brackets of an IPv6 address (RFC 9110 §7.2); undefined for what is no host. */
function hostName(host: string): string | undefined {
  const [, v6, name] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/@\s]+))(?::\d*)?$/i.exec(host) ?? [];
  return (v6 ?? name)?.toLowerCase();
}

function isCertified(name: string, certificate: X509Certificate): boolean {
  const found = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name);
  return found !== undefined;
}
