/** `tls-holder PORT KEY`: holds idle connections to the bare TLS server. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { serveHolder } from "./holder.ts";

async function main([port, keyFile = ""]: readonly string[]): Promise<void> {
  const pem = readFileSync(keyFile);
  await serveHolder(async () => {
    const socket = connect({
      host: "127.0.0.1",
      port: Number(port),
      key: pem,
      cert: pem,
      ca: [],
      minVersion: "TLSv1.3",
      rejectUnauthorized: false,
    });
    socket.once("close", () => process.exit(1));
    await once(socket, "secureConnect");
  });
}

main(process.argv.slice(2));
