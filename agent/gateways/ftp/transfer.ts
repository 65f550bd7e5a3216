import type { Socket } from "node:net";
import { asTetherError, TetherError } from "../../../protocol/index.ts";
import type { Client } from "./client.ts";
import { codeOf } from "./reply.ts";
import { secure } from "./tls.ts";

/**
 * Carries out a transfer over the data connection that is arranged, and answers: 150, and then 226 with what
 * `work` gives, 425 when the connection does not come about, 426 when it breaks or is given up, or the code of
 * what `work` throws. Throws nothing.
 */
export async function transfer(
  client: Client,
  opening: string,
  work: (socket: Socket, signal: AbortSignal) => Promise<string>,
): Promise<void> {
  const channel = client.takeChannel();
  if (channel === undefined) {
    client.reply(425, "PORT or PASV comes first");
    return;
  }
  client.reply(150, opening);
  await client.whileTransferring(async (signal) => {
    let socket: Socket | undefined;
    try {
      const plain = await channel.open(signal);
      socket = plain;
      const context = client.protectsData ? client.door.secureContext() : undefined;
      if (client.protectsData && context === undefined) {
        throw new TetherError("unreachable", "this server has no TLS any more");
      }
      if (context !== undefined) socket = await secure(plain, context, signal);
    } catch (thrown) {
      socket?.destroy();
      const { code, message } = asTetherError(thrown);
      client.reply(code === "cancelled" ? 426 : 425, message);
      return;
    } finally {
      channel.close();
    }
    try {
      client.reply(226, await work(socket, signal));
    } catch (thrown) {
      socket.destroy();
      const error = asTetherError(thrown);
      client.reply(codeOf(error, "file"), error.message);
    }
  });
}
