// Filters for samples of a signal, such as readings of a noisy sensor.
//
//   tether call signal.smooth '[20.1, 20.3, 35.0, 20.2, 20.4]' 3      the median of each 3: the outlier is gone
//   tether call signal.lowpass '[0, 0, 1, 1, 1]' 0.5                   a step, rounded
import { procedure } from "tether/procedure";

const samples = { type: "array", items: { type: "number" }, maxItems: 1_000_000 };
const result = { type: "array", items: { type: "number" } };

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const procedures = [
  procedure({
    name: "signal.smooth",
    summary: "Each sample replaced by the median of those around it, which takes single outliers away.",
    parameters: { samples, window: { type: "integer", minimum: 1, maximum: 1001, default: 5 } },
    result,
    role: "viewer",
    retryable: true,
    run({ samples, window }, { progress, signal }) {
      const half = (window - 1) >> 1;
      return samples.map((_, at) => {
        if (at % 10_000 === 0) {
          signal.throwIfAborted();
          progress({ done: at, total: samples.length });
        }
        return median(samples.slice(Math.max(0, at - half), at - half + window));
      });
    },
  }),
  procedure({
    name: "signal.lowpass",
    summary: "The exponential moving average: each result moves by this share towards its sample.",
    parameters: { samples, share: { type: "number", minimum: 0, maximum: 1 } },
    result,
    role: "viewer",
    retryable: true,
    run({ samples, share }) {
      let level = samples[0];
      return samples.map((sample) => {
        level += share * (sample - level);
        return level;
      });
    },
  }),
];
