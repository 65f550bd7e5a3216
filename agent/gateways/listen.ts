import type { AddressInfo, ListenOptions, Server } from "node:net";
import { formatHostPort, TetherError } from "../../protocol/index.ts";

/**
 * Binds a server. Throws `busy` when the address is in use, `forbidden` when it may not be opened, `invalid` for
 * an address that this machine has not.
 */
export async function listen(server: Server, options: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) => reject(bindError(error, whereOf(options)));
    server.once("error", refused);
    server.listen(options, () => {
      server.off("error", refused);
      resolve();
    });
  });
}

/** Where a bound server listens. */
export function addressOf(server: { address(): AddressInfo | string | null }): {
  address: string;
  port: number;
} {
  const bound = server.address();
  if (bound === null || typeof bound === "string") {
    throw new TetherError("internal", "a gateway that does not listen was asked for its address");
  }
  return { address: bound.address, port: bound.port };
}

/** Why an address could not be bound, in words. */
export function bindError(error: NodeJS.ErrnoException, where: string): TetherError {
  switch (error.code) {
    case "EADDRINUSE":
      return new TetherError("busy", `${where} is in use by another program`, { cause: error });
    case "EACCES":
      return new TetherError("forbidden", `${where} may not be opened by this user`, { cause: error });
    case "EADDRNOTAVAIL":
      return new TetherError("invalid", `${where}: this machine has no such address`, { cause: error });
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new TetherError("not-found", `${where}: there is no such host`, { cause: error });
    default:
      return new TetherError("internal", `cannot listen on ${where}: ${error.message}`, { cause: error });
  }
}

function whereOf({ path, host = "", port = 0 }: ListenOptions): string {
  return path ?? formatHostPort(host, port);
}
