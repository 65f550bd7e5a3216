import { isIPv4 } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { addressToBytes, inSameNetwork, isLinkLocalIPv6, zoneOf } from "../../protocol/index.ts";

/** What `os.networkInterfaces()` gives. */
export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/**
 * The addresses at which an asker can reach a service of this machine, the likeliest first.
 *
 * `host` is the address the service listens on, `::` or `0.0.0.0` for every one. Loopback is named only to an
 * asker on this machine, and a link-local IPv6 address only to an asker on its interface.
 */
export function answerAddresses(interfaces: Interfaces, asker: string, host: string): string[] {
  const own = Object.entries(interfaces).flatMap(([name, infos]) =>
    (infos ?? []).map((info) => ({ name, ...info })),
  );
  const zone = zoneOf(asker);
  const local = own.some((info) => sameAddress(info.address, asker)) || asker.startsWith("127.");
  const near = (info: (typeof own)[number]) =>
    info.internal
      ? local
      : isLinkLocalIPv6(info.address)
        ? info.name === zone
        : inSameNetwork(info.address, asker, info.netmask);
  const reachable = own
    .filter((info) => near(info) || !(info.internal || isLinkLocalIPv6(info.address)))
    .filter((info) => listensOn(host, info.address));
  return [...reachable.filter(near), ...reachable.filter((info) => !near(info))].map((info) => info.address);
}

function listensOn(host: string, address: string): boolean {
  if (host === "::") return true;
  if (host === "0.0.0.0") return isIPv4(address);
  return sameAddress(host, address);
}

function sameAddress(one: string, other: string): boolean {
  const [a, b] = [addressToBytes(one), addressToBytes(other)];
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
