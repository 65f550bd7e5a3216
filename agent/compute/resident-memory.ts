import { readFileSync } from "node:fs";

/**
 * Bytes of memory that a process has, what was swapped out included; 0 when there is no such process, or the
 * system does not tell (proc(5)). Kilobytes from `status` rather than pages from `statm`: a Pi 5's pages have
 * 16 KiB.
 */
export function residentMemory(pid: number): number {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return 0;
  }
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  return (kilobytes("VmRSS") + kilobytes("VmSwap")) * 1024;
}
