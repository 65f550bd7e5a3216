import type { Readable } from "node:stream";
import { COMPUTE, LOG } from "../../protocol/index.ts";

/**
 * Reads what a process prints, as lines. One that prints more than `COMPUTE.logLines` in a window is not read
 * again before the next, so that it waits; what had come by then is counted and dropped.
 */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  let lines = 0;
  let dropped = 0;
  let windowEnd = 0;
  let waiting = false;
  const say = (line: string) => {
    if (line === "") return;
    if (lines++ < COMPUTE.logLines) onLine(line);
    else dropped++;
  };
  const nextWindow = () => {
    if (dropped > 0) onLine(`… and ${dropped} more lines`);
    dropped = 0;
    lines = 0;
    windowEnd = performance.now() + COMPUTE.logWindow;
  };
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    if (performance.now() >= windowEnd) nextWindow();
    const parts = `${rest}${text}`.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) say(part);
    for (; rest.length > LOG.lineLength; rest = rest.slice(LOG.lineLength))
      say(rest.slice(0, LOG.lineLength));
    if (lines < COMPUTE.logLines || waiting) return;
    waiting = true;
    stream.pause();
    setTimeout(() => {
      waiting = false;
      nextWindow();
      stream.resume();
    }, windowEnd - performance.now()).unref();
  });
  stream.on("end", () => {
    say(rest);
    nextWindow();
  });
  stream.on("error", () => undefined);
}
