import { type SerialReport, type TetherError, WATCH } from "../../protocol/index.ts";
import { FollowedPort, type FollowListener } from "./follow-port.ts";
import type { RecordingFile } from "./recording-file.ts";

/** What is recorded, and where. */
export interface RecordOptions {
  readonly agent: string;
  /** The controller's own folder. */
  readonly folder: string;
  /** Name of a device, or path of a port. */
  readonly port: string;
  readonly file: RecordingFile;
  /** Tells of what is missing in the file, and why. */
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Writes what passes on a port, in both directions and whoever writes, to a file, until the signal aborts.
 *
 * @throws TetherError what the signal is aborted with, that the file takes no more, or why the port is lost
 */
export async function recordPort({ agent, folder, port, file, note, signal }: RecordOptions): Promise<never> {
  // A recording with holes that nobody sees is worse than none.
  const broken = new AbortController();
  const attempt = (write: () => void) => {
    try {
      write();
    } catch (thrown) {
      broken.abort(thrown);
    }
  };
  const lost = (from: "device" | "host", count: number | null) => {
    note(
      `${count ?? "an unknown number of"} bytes ${from === "device" ? "of" : "to"} the device are missing`,
    );
    attempt(() => file.note({ from, lost: count }));
  };
  const listener: FollowListener = {
    onOpened: ({ port: name, condition: { state, reason, settings } }) => {
      attempt(() => file.note({ recording: 1, port: name, state, reason, settings: { ...settings } }));
    },
    onMissed: (bytes) => lost("device", bytes ?? null),
    onBytes: () => {},
    onReport(report: SerialReport) {
      if (report.report === "traffic") {
        attempt(() => file.passed(report.direction, report.time, report.data));
      } else if (report.report === "lost") {
        lost(report.direction, report.bytes);
      } else if (report.report === "condition") {
        const { state, reason } = report.condition;
        note(`${port} is ${state}${reason === null ? "" : `: ${reason}`}`);
        attempt(() => file.note({ state, reason }));
      }
    },
    onConnection(error: TetherError | undefined) {
      note(error ? `the connection is lost, trying again: ${error.message}` : "the connection is back");
      // What others wrote meanwhile is not kept anywhere.
      if (error) lost("host", null);
    },
  };
  const request = { port, mode: "watch", kind: "record", both: true } as const;
  const until = AbortSignal.any([signal, broken.signal]);
  return await new FollowedPort(
    { agent, folder, request, patience: WATCH.reconnect, signal: until },
    listener,
  ).run();
}
