import { asTetherError, SERIAL } from "../../protocol/index.ts";
import { expectArguments, wholeNumber } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { oneAgent } from "../on-agents.ts";
import { Monitor, MonitorView, RecordingFile } from "../serial/index.ts";

/** `tether serial monitor`: a terminal on a port, until Ctrl-]. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const [port = ""] = context.args;
  const { options, json, folder, stdin, stdout, stderr, signal } = context;
  const baud = options.get("baud");
  const baudRate =
    baud === undefined ? undefined : wholeNumber(baud, "--baud", SERIAL.slowest, SERIAL.fastest);
  const agent = oneAgent(context);
  const logPath = options.get("log");
  const log = logPath === undefined ? undefined : new RecordingFile(logPath, { append: true });
  const format = json ? "json" : options.has("hex") ? "hex" : "bytes";
  const view = new MonitorView({ stdout, stderr, format, isRaw: stdin.isTTY === true });
  const monitor = new Monitor({
    agent,
    folder,
    port,
    baudRate,
    take: options.has("take"),
    view,
    log,
    both: json || log !== undefined,
    stdin,
    signal,
  });
  try {
    await monitor.run();
    return 0;
  } catch (thrown) {
    const error = asTetherError(thrown);
    // Where Ctrl-C is no key it is how one leaves.
    if (error.code === "cancelled" && signal.aborted) return 0;
    throw error;
  } finally {
    log?.close();
  }
}
