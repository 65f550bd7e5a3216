import type { Socket } from "node:net";
import { type AccessServer, serveConnection, takePatiently } from "../../firmware-bridge/rfc2217/index.ts";
import { asTetherError, GATEWAYS, isHttp, TetherError } from "../../protocol/index.ts";
import type { Client } from "../client.ts";
import { SOFTWARE } from "../version.ts";
import { RemoteComPort, type RemotePortWish } from "./remote-com-port.ts";

/** What a client of an exposed port is served with. */
export interface ExposedClientOptions {
  readonly wish: RemotePortWish;
  /** A connection to the agent. */
  readonly agent: () => Promise<Client>;
  /** Hears why a client was not served, or no longer. */
  readonly onFailed: (error: TetherError) => void;
}

/** Serves one RFC 2217 client, who holds the agent's port until he goes. Settles when he has. */
export async function serveExposedClient(socket: Socket, options: ExposedClientOptions): Promise<void> {
  const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => socket.destroy());
  let server: AccessServer | undefined;
  const fail = (error: TetherError) => {
    if (socket.destroyed || socket.writableEnded) return;
    options.onFailed(error);
    server?.stop();
    // Words amid the device's bytes would be taken for the device's.
    endWith(socket, server === undefined ? `error: ${error.code}: ${error.message}\r\n` : "");
  };
  let port: RemoteComPort | undefined;
  try {
    const agent = await options.agent();
    if (socket.destroyed) return;
    const events = {
      onMore: () => server?.flush(),
      onLost: () => server?.overrun(),
      onLines: () => void server?.lookAtLines().catch((thrown: unknown) => fail(asTetherError(thrown))),
      onFailed: fail,
    };
    const held = await takePatiently(() => RemoteComPort.open(agent, options.wish, events));
    port = held;
    if (socket.destroyed) return;
    server = serveConnection(socket, {
      port: held,
      signature: SOFTWARE,
      onFirst: (bytes) => {
        if (!isHttp(bytes.toString("latin1"))) return true;
        options.onFailed(new TetherError("invalid", "refused a client that speaks HTTP"));
        socket.destroy();
        return false;
      },
      onFailed: fail,
    });
    server.flush();
    await gone;
    server.stop();
  } catch (thrown) {
    fail(asTetherError(thrown));
  } finally {
    await gone;
    port?.close();
  }
}

/** Sends the last words; the client gets some time to read them and to end too. */
function endWith(socket: Socket, words: string): void {
  socket.removeAllListeners("data");
  socket.end(words);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), GATEWAYS.farewell);
  socket.once("close", () => clearTimeout(timer));
}
