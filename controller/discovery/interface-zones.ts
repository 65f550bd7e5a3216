import type { NetworkInterfaceInfo } from "node:os";

/** What `os.networkInterfaces()` gives. */
export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** The zones of the interfaces that speak IPv6, loopback aside: names, on Windows numbers (RFC 4007 §11.2). */
export function interfaceZones(interfaces: Interfaces): string[] {
  return Object.entries(interfaces).flatMap(([name, infos]) => {
    const info = infos?.find((one) => one.family === "IPv6" && !one.internal && one.scopeid > 0);
    if (info?.family !== "IPv6") return [];
    return [process.platform === "win32" ? String(info.scopeid) : name];
  });
}
