import type { Socket } from "node:net";
import { GATEWAYS } from "../../../protocol/index.ts";

/** Sends the last words and ends the connection; the client gets some time to read them and to end too. */
export function endWith(socket: Socket, words: string): void {
  socket.removeAllListeners("data");
  socket.end(words);
  // What still comes is read, so that the words arrive (RFC 1122 §4.2.2.13).
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), GATEWAYS.farewell);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}
