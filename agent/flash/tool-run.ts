import { TetherError } from "../../protocol/index.ts";
import { type Program, type Programs, programEnvironment } from "../programs/index.ts";
import { watchPort } from "./bootloader.ts";
import type { FlashWish } from "./flasher.ts";
import type { InstalledPlan } from "./installed.ts";
import { ToolOutput } from "./tool-output.ts";

/** What a tool is run for. */
interface ToolWork {
  readonly plan: InstalledPlan;
  readonly wish: Pick<FlashWish, "onLine" | "onProgress">;
  /** Ends the tool and all that it started. */
  readonly signal: AbortSignal;
}

/**
 * Runs a tool to its end, on a port and a file by their paths; nothing of it is left when this settles.
 *
 * @throws TetherError `device-failed` with its last words, `device-missing` when the port goes, the signal's reason
 */
export async function runTool(
  { plan, wish, signal }: ToolWork,
  port: string,
  file: string,
  programs: Programs,
): Promise<void> {
  const { program: tool, path = "" } = plan;
  if (tool === undefined) return;
  signal.throwIfAborted();
  const program = await programs.runChosen({
    command: [path, ...tool.args(port, file)],
    environment: programEnvironment(),
    input: false,
  });
  const end = () => program.end();
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    const progress = tool.progress();
    const output = new ToolOutput({
      line: wish.onLine,
      text(text) {
        const now = progress(text);
        if (now !== undefined) wish.onProgress({ done: now.percent, total: 100, note: now.step });
      },
    });
    for (const stream of [program.stdout, program.stderr]) output.read(stream);
    const over = new AbortController();
    // A tool may wait for ever on a port that was pulled out.
    const gone = tool.needsPort ? watchPort(port, over.signal) : new Promise<never>(() => {});
    try {
      await Promise.race([succeeded(program, plan.tool, output, signal), gone]);
    } finally {
      over.abort();
    }
  } finally {
    signal.removeEventListener("abort", end);
    program.end();
    // Nobody may have the port or the file any more when they are given back.
    await program.over;
  }
}

async function succeeded(
  program: Program,
  name: string,
  output: ToolOutput,
  abort: AbortSignal,
): Promise<void> {
  const { code, signal } = await program.ended;
  abort.throwIfAborted();
  if (code === 0) return;
  const how = signal === undefined ? `failed with exit code ${code}` : `was ended by ${signal}`;
  const said = output.lastWords;
  throw new TetherError("device-failed", `${name} ${how}${said === "" ? "" : `: ${said}`}`, {
    hint: "-v shows all that it says",
  });
}
