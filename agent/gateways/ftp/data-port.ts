import { isIPv4, isIPv6 } from "node:net";

/** Where a client wants its data. */
export interface DataPort {
  readonly address: string;
  readonly port: number;
}

/** Reads the argument of PORT, `h1,h2,h3,h4,p1,p2` (RFC 959 §5.3.2); undefined for what is none. */
export function parsePort(argument: string): DataPort | undefined {
  if (!/^\d{1,3}(?:,\d{1,3}){5}$/.test(argument)) return undefined;
  const numbers = argument.split(",").map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  const [high = 0, low = 0] = numbers.slice(4);
  return { address: numbers.slice(0, 4).join("."), port: high * 256 + low };
}

/**
 * Reads the argument of EPRT, `|1|132.235.1.2|6275|` with any printable character between (RFC 2428 §2).
 * Gives undefined for what is none, and "protocol" for a network protocol other than IPv4 and IPv6.
 */
export function parseExtendedPort(argument: string): DataPort | "protocol" | undefined {
  const delimiter = argument[0];
  if (delimiter === undefined || !/^[!-~]$/.test(delimiter)) return undefined;
  const parts = argument.split(delimiter);
  const [, protocol = "", address = "", port = ""] = parts;
  if (parts.length !== 5 || parts[4] !== "" || !/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    return undefined;
  }
  if (!/^\d{1,5}$/.test(protocol)) return undefined;
  if (protocol !== "1" && protocol !== "2") return "protocol";
  if (!(protocol === "1" ? isIPv4(address) : isIPv6(address))) return undefined;
  return { address, port: Number(port) };
}

/** The text of the answer to PASV (RFC 959 §4.1.2). */
export function passiveText(address: string, port: number): string {
  return `passive mode (${address.replaceAll(".", ",")},${port >> 8},${port & 0xff})`;
}

/** The text of the answer to EPSV (RFC 2428 §3). */
export function extendedPassiveText(port: number): string {
  return `extended passive mode (|||${port}|)`;
}
