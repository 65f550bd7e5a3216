/** `tls-caller PORT KEY`: calls of the bare TLS server. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { serveCaller } from "./caller.ts";
import { JsonFrames } from "./json-frames.ts";

async function main([port, keyFile = ""]: readonly string[]): Promise<void> {
  const pem = readFileSync(keyFile);
  const socket = connect({
    host: "127.0.0.1",
    port: Number(port),
    key: pem,
    cert: pem,
    ca: [],
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  });
  socket.setNoDelay(true);
  await once(socket, "secureConnect");
  const waiting = new Map<number, (result: unknown) => void>();
  const frames = new JsonFrames(socket, (answer) => {
    const { id, result } = answer as { id: number; result: unknown };
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let id = 0;
  await serveCaller(
    () =>
      new Promise((resolve) => {
        waiting.set(++id, resolve);
        frames.send({ jsonrpc: "2.0", id, method: "math.multiply", params: [6, 7] });
      }),
  );
}

main(process.argv.slice(2));
