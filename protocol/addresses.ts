import { isIPv4, isIPv6 } from "node:net";

/**
 * The 4 or 16 bytes of an IP address; a zone (`%eth0`) is dropped, an IPv4-mapped one becomes IPv4.
 *
 * Gives undefined for anything else.
 */
export function addressToBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return undefined;
  const [address = ""] = text.split("%");
  const [head = "", tail] = address.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** The address as RFC 5952 §4 writes it; undefined unless there are 4 or 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (from: number, to?: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(":");
  return best.length === 1 ? hex(0) : `${hex(0, best.start)}::${hex(best.start + best.length)}`;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(address: string): boolean {
  return address === "::1" || (isIPv4(address) && address.startsWith("127."));
}

/** True for an IPv6 link-local address (RFC 4291 §2.5.6), which means nothing without its zone. */
export function isLinkLocalIPv6(address: string): boolean {
  return isIPv6(address) && /^fe[89ab]/i.test(address);
}

/** The zone of an IPv6 address, `eth0` in `fe80::1%eth0`. */
export function zoneOf(address: string): string | undefined {
  const at = address.indexOf("%");
  return at < 0 ? undefined : address.slice(at + 1);
}

/**
 * An IPv4 network's own broadcast address (RFC 919 §7); undefined where there is none: for IPv6, and for
 * point-to-point networks of one or two addresses (RFC 3021).
 */
export function broadcastAddress(address: string, netmask: string): string | undefined {
  if (!isIPv4(address) || !isIPv4(netmask)) return undefined;
  const mask = addressToBytes(netmask);
  const bytes = addressToBytes(address);
  if (!mask || !bytes || (mask[3] ?? 0) >= 254) return undefined;
  return addressFromBytes(bytes.map((byte, i) => byte | (~(mask[i] ?? 0) & 0xff)));
}

/** True when both addresses are in one network under `netmask`. */
export function inSameNetwork(one: string, other: string, netmask: string): boolean {
  const [a, b, mask] = [addressToBytes(one), addressToBytes(other), addressToBytes(netmask)];
  if (!a || !b || !mask || a.length !== b.length || a.length !== mask.length) return false;
  return mask.every((bits, i) => ((a[i] ?? 0) & bits) === ((b[i] ?? 0) & bits));
}

function groups(text: string): number[] {
  return text.split(":").flatMap((group) => {
    if (group === "") return [];
    if (group.includes(".")) return group.split(".").map(Number);
    const word = Number.parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}

/** RFC 4291 §2.5.5.2. */
function isMapped(bytes: Uint8Array): boolean {
  return bytes.every((byte, i) => (i < 10 ? byte === 0 : i < 12 ? byte === 0xff : true));
}
