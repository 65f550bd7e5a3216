import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/** Ports below those that the kernel gives to clients, which would take one between the look and the use. */
const FIRST = 10_000;
const COUNT = 22_000;

/** A port that nobody has on 127.0.0.1, neither over TCP nor over UDP; where a program takes port 0, that is better. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if ((await isFreeTcp(port)) && (await isFreeUdp(port))) return port;
  }
}

/** So many of them, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer();
  const free = once(server, "listening").then(
    () => true,
    () => false,
  );
  server.listen(port, "127.0.0.1");
  if (!(await free)) return false;
  server.close();
  await once(server, "close");
  return true;
}

async function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket("udp4");
  const free = once(socket, "listening").then(
    () => true,
    () => false,
  );
  socket.bind(port, "127.0.0.1");
  const result = await free;
  socket.close();
  return result;
}
