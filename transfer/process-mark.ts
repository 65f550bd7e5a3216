import { readFileSync } from "node:fs";
import { systemCode } from "./private-files.ts";

/** What tells one running process from every other, before and after it, on this machine. */
export interface ProcessMark {
  readonly pid: number;
  /** When it started, in clock ticks since boot; null where there is no `/proc`. */
  readonly started: string | null;
  /** The boot it runs in; null where there is no `/proc`. */
  readonly boot: string | null;
}

/** The mark of the process that this is. */
export function thisProcess(): ProcessMark {
  return markOf(process.pid);
}

/** The mark of a process that runs. */
export function markOf(pid: number): ProcessMark {
  return { pid, started: statOf(pid)?.started ?? null, boot: bootId() };
}

/** Reads a mark written as JSON; undefined when the text holds none. */
export function parseProcessMark(text: string): ProcessMark | undefined {
  let mark: Partial<Record<keyof ProcessMark, unknown>> | null;
  try {
    mark = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { pid, started = null, boot = null } = mark ?? {};
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  return {
    pid,
    started: typeof started === "string" ? started : null,
    boot: typeof boot === "string" ? boot : null,
  };
}

/**
 * True when exactly that process still runs. A zombie does not, nor does another with its number. Without
 * `/proc` (macOS, Windows) the number alone counts.
 */
export function isRunning(mark: ProcessMark): boolean {
  const boot = bootId();
  if (mark.boot !== null && boot !== null && mark.boot !== boot) return false;
  if (mark.started === null || boot === null) return numberIsTaken(mark.pid);
  const stat = statOf(mark.pid);
  return stat !== undefined && stat.started === mark.started && stat.state !== "Z" && stat.state !== "X";
}

/** proc(5): `/proc/PID/stat` is "pid (comm) state …", the start time its field 22; comm may hold ") ". */
function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields?.[0];
  const started = fields?.[19];
  return state === undefined || started === undefined ? undefined : { state, started };
}

function bootId(): string | null {
  return readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? null;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // ENOENT: no such process, or a system without /proc. ESRCH: it ended while it was read.
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ESRCH") return undefined;
    throw error;
  }
}

function numberIsTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and is somebody else's.
    return systemCode(error) !== "ESRCH";
  }
}
