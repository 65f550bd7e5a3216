import type { Duplex } from "node:stream";
import type { TetherError } from "../../protocol/errors.ts";
import { COM_PORT } from "../../protocol/limits.ts";
import { AccessServer } from "./access-server.ts";
import type { PortControl } from "./port-control.ts";

/** What serves one client's connection. */
export interface ServedConnection {
  readonly port: PortControl;
  readonly signature: string;
  /** Bytes have gone, or come. */
  readonly onActive?: () => void;
  /** Looks at what the client says first; false where nothing is to be served. */
  readonly onFirst: (bytes: Buffer) => boolean;
  /** The port has failed, or the client has gone too far: nothing more is served. */
  readonly onFailed: (error: TetherError) => void;
}

/** Runs an access server over a connected byte stream, which stays its owner's to end. */
export function serveConnection(connection: Duplex, options: ServedConnection): AccessServer {
  const { port, signature, onFirst, onFailed } = options;
  let isNew = true;
  let probes: NodeJS.Timeout | undefined;
  const server = new AccessServer({
    port,
    signature,
    send: (bytes) => {
      options.onActive?.();
      return connection.write(bytes);
    },
    onBacklog(isFull) {
      clearInterval(probes);
      if (isFull) probes = setInterval(() => server.probe(), COM_PORT.probeInterval);
      if (isFull) connection.pause();
      else connection.resume();
    },
    onFailed,
  });
  // Later than a client speaks that does not wait for the server: one that knows no Telnet is not to be greeted.
  const greeting = setTimeout(() => {
    server.start();
    server.flush();
  }, COM_PORT.greeting);
  connection.once("close", () => {
    clearTimeout(greeting);
    clearInterval(probes);
  });
  connection.on("data", (bytes: Buffer) => {
    if (isNew && !onFirst(bytes)) {
      server.stop();
      return;
    }
    isNew = false;
    options.onActive?.();
    server.receive(bytes);
  });
  connection.on("drain", () => server.drained());
  connection.resume();
  return server;
}
