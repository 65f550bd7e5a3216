import type { Socket } from "node:net";
import type { Upload } from "../../files/index.ts";
import { failureOf } from "./outgoing.ts";
import type { Conversion } from "./text-type.ts";

/**
 * Takes what a client sends until it ends its side, no faster than the disk does.
 *
 * Rejects with `unreachable`, `timeout` or the signal's reason when the connection breaks, and with what
 * {@link Upload.push} throws. What has come by then is in the upload.
 */
export async function receive(
  socket: Socket,
  upload: Upload,
  conversion: Conversion,
  signal: AbortSignal,
): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    socket.on("data", (bytes: Buffer) => {
      try {
        upload.push(conversion.push(bytes));
        if (!upload.isFull) return;
        socket.pause();
        upload.emptied().then(() => socket.resume(), reject);
      } catch (error) {
        reject(error);
      }
    });
    socket.once("end", resolve);
  });
  socket.resume();
  try {
    await Promise.race([ended, failureOf(socket, signal)]);
  } finally {
    socket.removeAllListeners("data");
    // What comes after the end, or after a failure, is nothing to anybody.
    socket.resume();
    socket.end();
  }
  upload.push(conversion.end());
}
