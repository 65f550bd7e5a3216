import { answerLines } from "./answer-lines.ts";

/** What is asked of a caller: `calls` one after the other, or as many as go with `inFlight` at once in that time. */
export type CallerTask =
  | { readonly measure: "latency"; readonly calls: number }
  | { readonly measure: "rate"; readonly inFlight: number; readonly milliseconds: number };

/** Lets the bench measure `call`, which is to multiply 6 by 7. */
export async function serveCaller(call: () => Promise<unknown>): Promise<void> {
  if (Number(await call()) !== 42) throw new Error("6 times 7 is not 42");
  await answerLines("ready", (task: CallerTask) =>
    task.measure === "latency" ? latency(call, task.calls) : rate(call, task),
  );
}

/** Microseconds of one round trip: the median, and what 99 of 100 stay below. */
async function latency(call: () => Promise<unknown>, calls: number): Promise<{ p50: number; p99: number }> {
  const times = new Float64Array(calls);
  for (let n = 0; n < calls; n++) {
    const start = performance.now();
    await call();
    times[n] = performance.now() - start;
  }
  times.sort();
  const at = (share: number) => 1000 * (times[Math.floor(share * calls)] ?? Number.NaN);
  return { p50: at(0.5), p99: at(0.99) };
}

async function rate(
  call: () => Promise<unknown>,
  { inFlight, milliseconds }: { inFlight: number; milliseconds: number },
): Promise<{ rate: number }> {
  let calls = 0;
  const start = performance.now();
  const end = start + milliseconds;
  const worker = async () => {
    while (performance.now() < end) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { rate: (1000 * calls) / (performance.now() - start) };
}
