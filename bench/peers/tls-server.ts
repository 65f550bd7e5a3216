/**
 * `tls-server KEY`: a bare TLS 1.3 server that asks for the other side's key and keeps no sessions, as the
 * agent does, and multiplies.
 */
import { constants } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { JsonFrames } from "./json-frames.ts";

interface Call {
  readonly id: number;
  readonly params: readonly [number, number];
}

const pem = readFileSync(process.argv[2] ?? "");
const server = createServer(
  {
    key: pem,
    cert: pem,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: false,
    secureOptions: constants.SSL_OP_NO_TICKET,
    noDelay: true,
  },
  (socket) => {
    const frames = new JsonFrames(socket, (call) => {
      const { id, params } = call as Call;
      frames.send({ jsonrpc: "2.0", id, result: params[0] * params[1] });
    });
    socket.on("error", () => socket.destroy());
  },
);
server.listen({ host: "127.0.0.1", port: 0, backlog: 511 }, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});
