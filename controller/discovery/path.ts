import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv4 } from "node:net";

/** A way out: a socket bound to one local address, from which questions go and to which answers come. */
export interface Path {
  readonly socket: Socket;
  close(): void;
}

/**
 * Opens a path from this local address; undefined where that cannot be.
 *
 * An agent that is asked twice answers to the network's `broadcast` address, which a socket bound to one address
 * does not hear: another one does, on the same port, on systems that let it.
 */
export async function openPath(
  address: string,
  broadcast: string | undefined,
  onDatagram: (bytes: Buffer, source: string) => void,
): Promise<Path | undefined> {
  const socket = await openSocket(address, 0, onDatagram);
  if (!socket) return undefined;
  const ear = broadcast && (await openSocket(broadcast, socket.address().port, onDatagram));
  return {
    socket,
    close: () => {
      socket.close();
      if (ear) ear.close();
    },
  };
}

async function openSocket(
  address: string,
  port: number,
  onDatagram: (bytes: Buffer, source: string) => void,
): Promise<Socket | undefined> {
  const family = isIPv4(address) ? "udp4" : "udp6";
  const socket = createSocket({ type: family, ipv6Only: family === "udp6" });
  try {
    socket.bind({ address, port, exclusive: true });
    await once(socket, "listening");
    if (family === "udp4") socket.setBroadcast(true);
  } catch {
    socket.close();
    return undefined;
  }
  socket.on("error", () => {});
  socket.on("message", (bytes, from) => onDatagram(bytes, from.address));
  return socket;
}
