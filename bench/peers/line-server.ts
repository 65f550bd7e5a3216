/** `line-server`: lines over TCP with nothing but Node, echoed. */
import { type AddressInfo, createServer } from "node:net";

const server = createServer((socket) => {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) socket.write(`${line}\n`);
  });
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () =>
  console.log(JSON.stringify(server.address() as AddressInfo)),
);
