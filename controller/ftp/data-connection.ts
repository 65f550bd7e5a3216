import { once } from "node:events";
import { connect, createServer, isIPv6, type Server, type Socket } from "node:net";
import { asTetherError, FTP_CLIENT, TetherError } from "../../protocol/index.ts";
import type { ControlConnection } from "./control-connection.ts";
import { refusal } from "./reply.ts";

/** A data connection that has been arranged with the server but is made only when data is asked for. */
export interface DataConnection {
  /** Waits for it, once the server has been told what to send or take; protected when the control connection is. */
  open(signal: AbortSignal): Promise<Socket>;
  /** Gives up what was arranged. */
  abandon(): void;
}

/** Arranges a data connection: the server connects here (active), or we connect there (passive). */
export function arrange(
  control: ControlConnection,
  passive: boolean,
  signal: AbortSignal,
): Promise<DataConnection> {
  return passive ? arrangePassive(control, signal) : arrangeActive(control, signal);
}

/** Active mode: PORT (RFC 959 §4.1.2), or EPRT for IPv6 (RFC 2428 §2). */
async function arrangeActive(control: ControlConnection, signal: AbortSignal): Promise<DataConnection> {
  const host = unmapped(control.localAddress);
  const server = createServer({ pauseOnConnect: true });
  // Some servers connect as soon as they know where to, before they are told what to send.
  const arrived = firstFrom(server, unmapped(control.remoteAddress));
  server.listen({ host, port: 0 });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const command = isIPv6(host)
    ? `EPRT |2|${host.replace(/%.*$/, "")}|${port}|`
    : `PORT ${host.replaceAll(".", ",")},${port >> 8},${port & 0xff}`;
  try {
    await control.expect(command, "the server does not connect to here (try --passive)", signal);
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    open: async (openSignal) =>
      protectedIfWanted(control, await accept(server, arrived, openSignal), openSignal),
    abandon() {
      server.close();
      arrived.then((socket) => socket.destroy());
    },
  };
}

/** The first connection from an address; anybody else's is closed. */
function firstFrom(server: Server, address: string): Promise<Socket> {
  return new Promise((resolve) => {
    server.on("connection", (socket) => {
      if (unmapped(socket.remoteAddress ?? "") === address) resolve(socket);
      else socket.destroy();
    });
  });
}

async function accept(server: Server, arrived: Promise<Socket>, signal: AbortSignal): Promise<Socket> {
  const late = AbortSignal.timeout(FTP_CLIENT.dataConnection);
  try {
    return await Promise.race([arrived, aborted(AbortSignal.any([signal, late]))]);
  } catch (error) {
    if (signal.aborted) throw asTetherError(signal.reason);
    throw new TetherError("unreachable", "the server's data connection did not arrive", {
      cause: error,
      hint: "a firewall or NAT may be in the way: try --passive",
    });
  } finally {
    server.close();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** Passive mode: EPSV (RFC 2428 §3), or PASV where the server does not know that (RFC 959 §4.1.2). */
async function arrangePassive(control: ControlConnection, signal: AbortSignal): Promise<DataConnection> {
  const extended = await control.send("EPSV", signal);
  let port = extended.code === 229 ? extendedPort(extended.lines.join(" ")) : undefined;
  if (port === undefined) {
    const plain = await control.send("PASV", signal);
    if (plain.code !== 227) throw refusal("passive mode", plain);
    port = plainPort(plain.lines.join(" "));
  }
  if (port === undefined) throw new TetherError("invalid", "the server's answer to PASV holds no port");
  const options = { host: control.remoteAddress, port, noDelay: true };
  let opened: Socket | undefined;
  return {
    async open(openSignal) {
      // The address in the answer to PASV is not used: it would let a server send us to others.
      opened = connect(options);
      const within = AbortSignal.any([openSignal, AbortSignal.timeout(FTP_CLIENT.dataConnection)]);
      await once(opened, "connect", { signal: within }).catch((error: unknown) => {
        opened?.destroy();
        if (openSignal.aborted) throw asTetherError(openSignal.reason);
        throw new TetherError("unreachable", `no data connection to port ${options.port}`, { cause: error });
      });
      return protectedIfWanted(control, opened, openSignal);
    },
    abandon: () => opened?.destroy(),
  };
}

/** `(|||6446|)` with any one character between (RFC 2428 §3). */
function extendedPort(text: string): number | undefined {
  const match = /\((.)\1\1(\d{1,5})\1\)/.exec(text);
  return match === null ? undefined : Number(match[2]);
}

/** `h1,h2,h3,h4,p1,p2`, with or without brackets around it. */
function plainPort(text: string): number | undefined {
  const match = /(?:\d{1,3},){4}(\d{1,3}),(\d{1,3})/.exec(text);
  return match === null ? undefined : Number(match[1]) * 256 + Number(match[2]);
}

async function protectedIfWanted(
  control: ControlConnection,
  socket: Socket,
  signal: AbortSignal,
): Promise<Socket> {
  const ready = control.isProtected ? await control.secure(socket, signal) : socket;
  ready.setTimeout(FTP_CLIENT.silence, () =>
    ready.destroy(new TetherError("timeout", "no data came for a long time")),
  );
  return ready;
}

function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "");
}
