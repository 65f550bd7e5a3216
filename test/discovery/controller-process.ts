// A process that searches once for each line it reads, `RUNS TIMEOUT`, and writes what was found as a line of
// JSON a run; with `watch` it writes events instead.
import { createInterface } from "node:readline";
import { discover, watch } from "../../controller/discovery/index.ts";

const [mode, port = "7415"] = process.argv.slice(2);
const print = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
if (mode === "watch") {
  for await (const event of watch({ port: Number(port) })) print(event);
} else {
  print("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const [runs = 1, timeout = 1_000] = line.split(" ").map(Number);
    for (let i = 0; i < runs; i++) print(await discover({ port: Number(port), timeout }));
  }
}
