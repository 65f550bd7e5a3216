/**
 * `serial-user FOLDER DEVICE MODE`: uses a port of the agent that the controller in FOLDER is paired with. MODE is
 * `ping`, `stream` (writes the pattern and checks what comes), `watch` (checks what comes) or `stop` (takes nothing).
 */
import { createInterface } from "node:readline";
import { connect } from "../../controller/index.ts";
import { RemotePort } from "../../controller/serial/remote-port.ts";

/** As the board has it. */
const PERIOD = 65_521;
const PATTERN = Buffer.from(
  Array.from({ length: 3 * PERIOD }, (_, at) => {
    const n = at % PERIOD;
    return (31 * n + (n >> 8)) & 0xff;
  }),
);

interface Task {
  readonly count?: number;
  readonly rate?: number;
  readonly seconds?: number;
}

async function main([folder = "", device = "", mode = ""]: readonly string[]): Promise<void> {
  const client = await connect(undefined, { folder });
  let onBytes: (bytes: Buffer) => void | Promise<void> = () => undefined;
  const port = new RemotePort(
    client,
    { port: device, mode: mode === "ping" || mode === "stream" ? "exclusive" : "watch" },
    { onBytes: (bytes) => onBytes(bytes) },
  );
  if (mode === "stop") onBytes = () => new Promise(() => undefined);
  await port.opened;
  const listen = (listener: typeof onBytes) => {
    onBytes = listener;
  };
  say("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line) as Task;
    say(mode === "ping" ? await ping(port, task, listen) : await hear(port, task, mode === "stream", listen));
  }
  client.close();
}

async function ping(port: RemotePort, { count = 0 }: Task, listen: (listener: () => void) => void) {
  const one = Buffer.from("x");
  const times: number[] = [];
  await new Promise<void>((resolve) => {
    let start = performance.now();
    const write = () => {
      start = performance.now();
      // It resolves when more may be written, which nobody waits for here.
      void port.write(one);
    };
    listen(() => {
      times.push(1_000 * (performance.now() - start));
      if (times.length === count) resolve();
      else write();
    });
    write();
  });
  times.sort((a, b) => a - b);
  return { p50: times[count >> 1], p99: times[Math.floor(count * 0.99)] };
}

/** Says, where it is to, and hears the pattern at a rate; gives what was wrong. */
async function hear(
  port: RemotePort,
  { rate = 0, seconds = 0 }: Task,
  says: boolean,
  listen: (listener: (bytes: Buffer) => void) => void,
) {
  const size = Math.floor(rate * seconds);
  let said = 0;
  let heard = 0;
  let wrong = 0;
  const start = performance.now();
  let last = start;
  listen((bytes) => {
    const at = heard % PERIOD;
    if (!bytes.equals(PATTERN.subarray(at, at + bytes.length))) wrong++;
    heard += bytes.length;
    last = performance.now();
  });
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      const due = says ? Math.min(size, Math.floor((rate * (now - start)) / 1_000)) : 0;
      while (said < due) {
        const at = said % PERIOD;
        const piece = PATTERN.subarray(at, at + Math.min(due - said, 4_096));
        void port.write(piece);
        said += piece.length;
      }
      const isDone = heard >= size && (!says || said >= size);
      if (!isDone && now - Math.max(last, start + 1_000 * seconds) < 3_000) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
  return { said, heard, wrong };
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

main(process.argv.slice(2));
