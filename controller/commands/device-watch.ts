import { asTetherError, WATCH } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { oneAgent } from "../on-agents.ts";
import { CsvFile, followDevice, LineView, LiveView, type WatchedReading } from "../watching/index.ts";

/** `tether device watch`: a device's readings as they come, until Ctrl-C. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1, 1 + WATCH.readings);
  const [device = "", ...readings] = context.args;
  const agent = oneAgent(context);
  const file = context.options.get("csv");
  const csv = file === undefined ? undefined : new CsvFile(file);
  // A reading that the file cannot take ends the watch: a log with holes is worse than none.
  const broken = new AbortController();
  const onReading = (reading: WatchedReading) => {
    try {
      csv?.append(reading);
    } catch (thrown) {
      broken.abort(thrown);
    }
  };
  const { stdout } = context;
  const isLive = stdout.isTTY === true && !context.json && process.env.TERM !== "dumb";
  const live = isLive ? new LiveView(stdout, device) : undefined;
  const view = live ?? new LineView(context, device);
  try {
    return await followDevice(
      {
        agent,
        folder: context.folder,
        device,
        readings,
        signal: AbortSignal.any([context.signal, broken.signal]),
      },
      {
        onSnapshot: (state, names) => view.onSnapshot(state, names),
        onReading(reading) {
          onReading(reading);
          view.onReading(reading);
        },
        onState: (state) => view.onState(state),
        onStale: (reading) => view.onStale(reading),
        onLost: (count) => view.onLost(count),
        onConnection: (lost) => view.onConnection(lost),
      },
    );
  } catch (thrown) {
    const error = asTetherError(thrown);
    // Ctrl-C is how one leaves.
    if (error.code === "cancelled" && context.signal.aborted) return 0;
    throw error;
  } finally {
    live?.end();
    csv?.close();
  }
}
