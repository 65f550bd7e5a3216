import { existsSync } from "node:fs";
import { join } from "node:path";
import { TetherError } from "../../protocol/index.ts";

/** Ends a process together with the one that started it, however that ends (prctl(2), PR_SET_PDEATHSIG). */
const SETPRIV = "/usr/bin/setpriv";

/** Variables that are the agent's own, or would change how Node starts. */
const OWN_VARIABLES =
  /^(?:NODE_OPTIONS|NODE_TEST_CONTEXT|NOTIFY_SOCKET|STATE_DIRECTORY|CREDENTIALS_DIRECTORY|TETHER_.*)$/;

/**
 * How to start a process of procedures whose heap has at most `heap` bytes.
 *
 * @throws TetherError `internal` where its program is missing
 */
export function workerCommand(heap: number): { readonly program: string; readonly args: string[] } {
  const bundle = join(import.meta.dirname, "tether-worker.cjs");
  const source = join(import.meta.dirname, "worker", "main.ts");
  const isSource = !existsSync(bundle);
  if (isSource && !existsSync(source)) {
    throw new TetherError("internal", `${bundle} is missing, without which no user procedure runs`, {
      hint: "it comes with tetherd.cjs and lies beside it",
    });
  }
  const node = [
    `--max-old-space-size=${Math.max(1, Math.round(heap / 2 ** 20))}`,
    // From the sources, Node needs what lets it run this program too.
    ...(isSource ? loaders() : []),
    isSource ? source : bundle,
  ];
  if (!existsSync(SETPRIV)) return { program: process.execPath, args: node };
  return { program: SETPRIV, args: ["--pdeathsig", "KILL", "--", process.execPath, ...node] };
}

/** The environment of a process of procedures. */
export function workerEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.test(name)));
}

function loaders(): string[] {
  return process.execArgv.flatMap((word, index) => {
    if (word.startsWith("--import=")) return [word];
    return process.execArgv[index - 1] === "--import" ? ["--import", word] : [];
  });
}
