import { asTetherError, parseDuration, TetherError } from "../protocol/index.ts";
import type { CommandContext } from "./command-context.ts";
import { type CommandLine, readCommandLine, usage } from "./command-line.ts";
import { OPTIONS, VERBS, type Verb } from "./commands/index.ts";
import { controllerFolder } from "./identity.ts";

/** Milliseconds that a verb gets to end by itself once it is to stop. */
const GRACE = 1_000;
/** Milliseconds that a timer of Node's can wait; longer ones strike at once. */
const LONGEST_TIMER = 0x7fff_ffff;

/** Runs `tether`; gives the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes("--json");
  const stop = new AbortController();
  let overdue: NodeJS.Timeout | undefined;
  let verb: Verb | undefined;
  const fail = (error: unknown) => report(asTetherError(error), json, verb?.failure);
  stop.signal.addEventListener("abort", () => {
    // One that reads from a terminal, for instance, does not notice.
    overdue = setTimeout(() => process.exit(fail(stop.signal.reason)), verb?.grace ?? GRACE).unref();
  });
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new TetherError("cancelled", "interrupted"));
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onInterrupt);
  // A reader that has gone away, as `tether … | head` does, wants no more output and no complaint.
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? 0 : fail(error)),
  );
  let timer: NodeJS.Timeout | undefined;
  try {
    const line = readCommandLine(argv);
    verb = line.verb;
    const timeout = readTimeout(line);
    // `discover` listens that long, which is no failure.
    if (timeout !== undefined && line.verbName !== "discover") {
      timer = setTimeout(
        () =>
          stop.abort(
            new TetherError("timeout", `\`tether ${line.verbName}\` took longer than ${timeout} ms`),
          ),
        Math.min(timeout, LONGEST_TIMER),
      );
    }
    const { run } = await verb.load();
    return await run(contextOf(line, stop.signal, timeout));
  } catch (error) {
    return fail(error);
  } finally {
    clearTimeout(timer);
    clearTimeout(overdue);
  }
}

function contextOf(line: CommandLine, signal: AbortSignal, timeout: number | undefined): CommandContext {
  return {
    args: line.args,
    options: line.options,
    tables: { verbs: VERBS, options: OPTIONS },
    usage: usage(line.verbName),
    json: line.options.has("json"),
    folder: controllerFolder(),
    // Node makes these streams when they are first asked for, and most verbs need only one.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    get stderr() {
      return process.stderr;
    },
    signal,
    timeout,
  };
}

function readTimeout(line: CommandLine): number | undefined {
  const text = line.options.get("timeout");
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (error) {
    throw new TetherError("usage", `--timeout: ${asTetherError(error).message}`);
  }
}

/**
 * One line on stderr, what failed and what to do; with `--json` an object there. Gives the exit code: `failure`,
 * but for wrong usage.
 */
function report(error: TetherError, json: boolean, failure = error.exitCode): number {
  const text = json
    ? JSON.stringify({ error: { ...error.toJSON(), hint: error.hint ?? "" } })
    : `tether: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  // What an agent says reaches a terminal only as text on one line.
  process.stderr.write(`${text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ")}\n`);
  return error.code === "usage" ? error.exitCode : failure;
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
