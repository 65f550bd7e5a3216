import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { asTetherError, FTP, TetherError } from "../../../protocol/index.ts";
import type { FtpConfiguration } from "./client.ts";

/** Reads a certificate and its key. Throws what stands in the way. */
export async function readSecureContext({
  certificate,
  key,
}: NonNullable<FtpConfiguration["tls"]>): Promise<SecureContext> {
  const [cert, privateKey] = await Promise.all([readFile(certificate), readFile(key)]);
  try {
    return createSecureContext({ cert, key: privateKey, minVersion: "TLSv1.2" });
  } catch (error) {
    const { message } = asTetherError(error);
    throw new TetherError("invalid", `${certificate} and ${key} are no certificate and its key: ${message}`);
  }
}

/** Runs the server's side of TLS over a connection; ends it when that fails. */
export function secure(socket: Socket, context: SecureContext, signal: AbortSignal): Promise<TLSSocket> {
  const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      secured.off("secure", onSecure).off("error", settle).off("close", onClose);
      if (error === undefined) {
        resolve(secured);
        return;
      }
      secured.on("error", () => undefined);
      secured.destroy();
      socket.destroy();
      reject(error);
    };
    const failed = (why: string) => settle(new TetherError("unreachable", `the TLS handshake ${why}`));
    const onSecure = () => settle();
    const onClose = () => failed("was broken off");
    const onAbort = () => settle(asTetherError(signal.reason));
    const timer = setTimeout(() => failed("took too long"), FTP.dataConnection);
    secured.on("secure", onSecure).on("error", settle).on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
