/**
 * Hands TCP connections on and lets every byte arrive later, in both directions: `HOST PORT MILLISECONDS` listens
 * on that address and hands on to that port of loopback. It says its port.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const [host = "", port = "", milliseconds = ""] = process.argv.slice(2);
const DELAY = Number(milliseconds);
/** Bytes of one direction that are on their way at most: 400 Mbit/s. */
const UNDERWAY = DELAY * 50_000;

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ host: "127.0.0.1", port: Number(port), allowHalfOpen: true, noDelay: true });
  handOn(near, far);
  handOn(far, near);
});
server.listen(0, host, () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }));
});

function handOn(from: Socket, to: Socket): void {
  const waiting: { readonly due: number; readonly bytes: Buffer | undefined }[] = [];
  let underway = 0;
  let isBlocked = false;
  let timer: NodeJS.Timeout | undefined;
  const deliver = () => {
    timer = undefined;
    for (let first = waiting[0]; first !== undefined && !isBlocked; first = waiting[0]) {
      const left = first.due - performance.now();
      if (left > 0.5) {
        timer = setTimeout(deliver, left);
        break;
      }
      waiting.shift();
      if (first.bytes === undefined) {
        to.end();
        continue;
      }
      underway -= first.bytes.length;
      isBlocked = !to.write(first.bytes);
    }
    if (underway < UNDERWAY) from.resume();
  };
  const take = (bytes: Buffer | undefined) => {
    waiting.push({ due: performance.now() + DELAY, bytes });
    underway += bytes?.length ?? 0;
    if (underway >= UNDERWAY) from.pause();
    if (timer === undefined) deliver();
  };
  to.on("drain", () => {
    isBlocked = false;
    if (timer === undefined) deliver();
  });
  from.on("data", take);
  from.on("end", () => take(undefined));
  from.on("error", () => to.destroy());
}
