import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import {
  ALPN,
  identityFromBundle,
  newIdentityBundle,
  pumpSession,
  type Stream,
} from "../../protocol/index.ts";
import type { Owner } from "../agent-process.ts";

/** One who speaks the wire as an agent does and answers pairing as the test says. */
export interface HostileAgent {
  readonly address: string;
  /** What came on pairing streams. */
  readonly heard: string[];
}

/** Starts one on a free port of loopback; `answer` gets each document of a pairing stream and its connection. */
export async function startHostileAgent(
  owner: Owner,
  answer: (document: string, stream: Stream, socket: TLSSocket) => void,
): Promise<HostileAgent> {
  const identity = identityFromBundle(newIdentityBundle("agent"), "agent", "a hostile agent");
  const heard: string[] = [];
  const server = createServer({
    key: identity.keyPem,
    cert: identity.certificatePem,
    minVersion: "TLSv1.3",
    ALPNProtocols: [ALPN],
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on("secureConnection", (socket) => {
    const onOpen = (stream: Stream) => {
      stream.handlers = {
        onDocument(text) {
          heard.push(text);
          answer(text, stream, socket);
        },
      };
    };
    pumpSession(
      socket,
      {
        side: "agent",
        hello: { protocol: 1, oldest: 1, software: "hostile", features: [] },
        documentBytes: 1 << 20,
        events: { onHello: () => undefined, onOpen, onClosed: () => socket.destroy() },
      },
      () => performance.now(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  owner.after(() => server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}
