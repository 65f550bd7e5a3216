import { formatDuration } from "./quantities.ts";
import type { Reading } from "./reading.ts";
import type { Draft } from "./table.ts";

/** Checks what holds between the keys of a machine. */
export function checkGcode(gcode: Draft["devices"][number]["gcode"], path: string, reading: Reading): void {
  const { dialect, poll, timeout } = gcode;
  if (dialect === "marlin" && reading.has(`${path}.buffer`)) {
    reading.mistake(`${path}.buffer`, "does not go with dialect marlin, allowed: dialect grbl", "key");
  }
  // What is polled tells that the machine is alive while an answer is due.
  if (2 * poll <= timeout) return;
  const key = reading.has(`${path}.poll`) ? "poll" : "timeout";
  const allowed = key === "poll" ? "up to half of timeout" : "at least twice the poll";
  reading.mistake(`${path}.${key}`, `is ${formatDuration(gcode[key])}, allowed: ${allowed}`);
}
