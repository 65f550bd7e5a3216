import { isIPv6 } from "node:net";
import { DEFAULT_PORT, TetherError } from "../protocol/index.ts";

/** A host name or address, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads HOST[:PORT]: a name or an IPv4 address, an IPv6 address in brackets, or a bare one, which has no port.
 *
 * @throws TetherError `usage` that says what is wrong
 */
export function parseHostPort(text: string, defaultPort: number = DEFAULT_PORT): HostPort {
  if (isIPv6(text)) return { host: text, port: defaultPort };
  const parts = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^\s:[\]/@]+))(?::(?<port>.*))?$/.exec(text)?.groups;
  const host = parts?.bracketed ?? parts?.plain;
  if (parts === undefined || host === undefined) throw wrong(text, "it is not HOST or HOST:PORT");
  if (parts.bracketed !== undefined && !isIPv6(host)) {
    throw wrong(text, "only an IPv6 address stands in brackets");
  }
  if (host.length > 255 || host.startsWith("-")) throw wrong(text, "that is no host name");
  const digits = parts.port;
  if (digits === undefined) return { host, port: defaultPort };
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535) throw wrong(text, "a port is a number from 1 to 65535");
  return { host, port };
}

function wrong(text: string, what: string): TetherError {
  return new TetherError("usage", `${JSON.stringify(text.slice(0, 300))}: ${what}`, {
    hint: "HOST is a name or an address: greenhouse.local, 192.168.1.20:7415, [fe80::1%eth0]:7415",
  });
}
