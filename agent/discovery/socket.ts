import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { TetherError } from "../../protocol/index.ts";

/**
 * A UDP socket on every address of one family, sharing its port with other agents on this machine.
 *
 * Gives undefined where the family is not to be had; throws `busy` when a program that does not share has
 * the port, `forbidden` when the system refuses it.
 */
export async function openShared(family: "udp4" | "udp6", port: number): Promise<Socket | undefined> {
  const socket = createSocket({ type: family, reuseAddr: true, ipv6Only: family === "udp6" });
  try {
    socket.bind({ port, address: family === "udp6" ? "::" : "0.0.0.0", exclusive: true });
    await once(socket, "listening");
  } catch (thrown) {
    socket.close();
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL") return undefined;
    if (code === "EADDRINUSE") {
      throw new TetherError(
        "busy",
        `UDP port ${port} for discovery is in use by a program that does not share it`,
        {
          hint: "set discovery.port to another port, or stop that program",
          cause: thrown,
        },
      );
    }
    throw new TetherError(
      code === "EACCES" ? "forbidden" : "internal",
      `UDP port ${port} for discovery: ${code}`,
      {
        cause: thrown,
      },
    );
  }
  // A datagram that could not be delivered is lost, as any may be.
  socket.on("error", () => {});
  if (family === "udp4") socket.setBroadcast(true);
  return socket;
}
