/** The agent's port unless told otherwise: TCP for connections, UDP for discovery. */
export const DEFAULT_PORT = 7415;

/** An address and port as people write them; an IPv6 address stands in brackets (RFC 3986 §3.2.2). */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
