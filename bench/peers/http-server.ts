/** `http-server`: JSON-RPC over HTTP with nothing but Node, which parses, multiplies and answers. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (text: string) => {
    body += text;
  });
  request.on("end", () => {
    const { id, params } = JSON.parse(body) as { id: number; params: [number, number] };
    const answer = JSON.stringify({ jsonrpc: "2.0", id, result: params[0] * params[1] });
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address() as AddressInfo)));
