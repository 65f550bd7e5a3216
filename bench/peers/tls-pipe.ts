/**
 * A bare Node TLS pipe: a file read as a stream, piped to a socket, piped to a file, in pieces of 256 KiB.
 * `receive KEY FILE` says its port and receives one file at a time; `send KEY PORT FILE` sends one.
 */
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { connect, createServer } from "node:tls";

const PIECE = 256 * 1024;
const [what = "", key = "", ...rest] = process.argv.slice(2);
const pem = readFileSync(key);
const secrets = { key: pem, cert: pem, ca: pem, minVersion: "TLSv1.3", rejectUnauthorized: false } as const;

if (what === "receive") {
  const [file = ""] = rest;
  const server = createServer(secrets, async (socket) => {
    await pipeline(socket, createWriteStream(file, { highWaterMark: PIECE }), { end: true }).catch(
      () => undefined,
    );
    socket.end("done");
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
  });
} else {
  const [port = "", file = ""] = rest;
  const socket = connect({ ...secrets, host: "127.0.0.1", port: Number(port) }, async () => {
    for await (const piece of createReadStream(file, { highWaterMark: PIECE })) {
      if (!socket.write(piece as Buffer)) await new Promise((resolve) => socket.once("drain", resolve));
    }
    socket.end();
    socket.resume();
    socket.on("end", () => process.exit(0));
  });
}
