import { killTransfers } from "../test/files/kills.ts";
import { type Bar, type Findings, type Row, spreadOf } from "./contest.ts";
import { withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const COUNT = 100;
const SIZE = 64 * MiB;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";
/** In percent. */
const OF_ALL: Bar = { limit: 10 };

/** Transfers of which one side is killed in the middle. */
export function benchResume(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    const found = await killTransfers(cleanup, { count: COUNT, size: SIZE, seed, folder: MEMORY });
    const share = (bytes: number) => (bytes * 100) / SIZE;
    const rows: Row[] = [
      "put, controller killed",
      "get, controller killed",
      "put, agent killed",
      "get, agent killed",
    ].map((who) => ({
      who,
      value: spreadOf(found.each.filter(({ what }) => what === who).map(({ resent }) => share(resent))),
      comparisons: [],
    }));
    const all = spreadOf([(found.resent * 100) / found.bytes]);
    rows.push({
      who: `all ${COUNT}`,
      value: all,
      comparisons: [{ of: "% of all bytes", value: all, bar: OF_ALL }],
    });
    const meaning = `${COUNT} transfers of 64 MiB, in memory over loopback, one side killed with SIGKILL when a random part had come (${found.cut} in the middle of the content; seed ${seed}), and the same command again, or the agent started again. Every file was right, and a watcher that looked ${found.looks} times never saw a part under a final name. What was sent beyond the file's own length, its headers and some 450 KiB that the killed program read of its own counted too; ${found.seconds.toFixed(0)} s in all.`;
    return { tables: [{ what: "sent again after a kill", unit: "%", meaning, rows }], leftOut: [] };
  });
}
