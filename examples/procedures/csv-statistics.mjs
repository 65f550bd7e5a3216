// Statistics over a file of readings, as `tether device watch --csv FILE` writes it: time,reading,value,unit.
//
//   tether device watch bench temperature --csv bench.csv
//   tether put bench.csv :
//   tether call readings.statistics bench.csv
//
// The file is read line by line, so it may be larger than memory. It has to lie in $READINGS, or else in the
// folder that the agent serves when nothing else is configured.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { procedure } from "tether/procedure";

const FOLDER = process.env.READINGS ?? "/var/lib/tether/files";

export const procedures = [
  procedure({
    name: "readings.statistics",
    summary: "Count, least, greatest, mean and standard deviation of each reading in a CSV file.",
    // No slash: the file lies in the folder and nowhere else.
    parameters: { file: { type: "string", pattern: "^[A-Za-z0-9_-][A-Za-z0-9._-]*$" } },
    result: { type: "object" },
    role: "viewer",
    retryable: true,
    async run({ file }, { progress, signal }) {
      const path = join(FOLDER, file);
      const { size } = await stat(path);
      const input = createReadStream(path, { signal });
      const readings = new Map();
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        progress({ done: input.bytesRead, total: size, note: file });
        const [, reading, text] = line.split(",");
        const value = text === "" ? Number.NaN : Number(text);
        // The head, and texts.
        if (Number.isNaN(value)) continue;
        if (!readings.has(reading)) readings.set(reading, new Statistics());
        readings.get(reading).add(value);
      }
      return Object.fromEntries([...readings].map(([name, statistics]) => [name, statistics.summary()]));
    },
  }),
];

/** Welford's method: one pass, and no sum that grows until it loses digits. */
class Statistics {
  count = 0;
  least = Number.POSITIVE_INFINITY;
  greatest = Number.NEGATIVE_INFINITY;
  mean = 0;
  squares = 0;

  add(value) {
    this.count++;
    this.least = Math.min(this.least, value);
    this.greatest = Math.max(this.greatest, value);
    const before = value - this.mean;
    this.mean += before / this.count;
    this.squares += before * (value - this.mean);
  }

  summary() {
    const { count, least, greatest, mean, squares } = this;
    return { count, least, greatest, mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 };
  }
}
