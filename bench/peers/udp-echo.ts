/** Sends every datagram back: the least that an answer can cost. */
import { createSocket } from "node:dgram";

const socket = createSocket("udp4");
socket.on("message", (bytes, { port, address }) => socket.send(bytes, port, address));
socket.bind(0, "127.0.0.1", () => console.log(JSON.stringify({ port: socket.address().port })));
