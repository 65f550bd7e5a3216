/** `line-holder PORT`: holds idle connections to a server of lines. */
import { once } from "node:events";
import { connect } from "node:net";
import { serveHolder } from "./holder.ts";

serveHolder(async () => {
  const socket = connect(Number(process.argv[2]), "127.0.0.1");
  socket.once("close", () => process.exit(1));
  await once(socket, "connect");
});
