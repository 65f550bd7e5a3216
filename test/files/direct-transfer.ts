import { basename, dirname } from "node:path";
import { TetherError } from "../../protocol/index.ts";
import {
  DiskRoom,
  LocalFolder,
  Progress,
  type ReadReport,
  Receiver,
  type Report,
  readReport,
  Sender,
  Writers,
} from "../../transfer/index.ts";

/** What a transfer without a network between its ends did. */
export interface DirectTransfer {
  /** Undefined when all went well. */
  readonly error: TetherError | undefined;
  readonly failures: readonly TetherError[];
  /** Bytes that went from the sender to the receiver. */
  readonly sent: number;
  readonly resumed: number;
  readonly reports: readonly ReadReport[];
}

export interface DirectOptions {
  /** Bytes after which the connection is lost. */
  readonly cutAfter?: number;
  /** Those of the receiving process. */
  readonly writers?: Writers;
  /** Changes the bytes on their way; told where in the stream they begin. */
  readonly damage?: (bytes: Buffer, at: number) => void;
  readonly key?: Buffer;
}

/** Sends a file or folder from one path to another, both ends in this process. */
export async function sendDirectly(
  from: string,
  to: string,
  options: DirectOptions = {},
): Promise<DirectTransfer> {
  const { cutAfter = Number.POSITIVE_INFINITY, writers = new Writers(), key = Buffer.alloc(32, 7) } = options;
  const failures: TetherError[] = [];
  const reports: ReadReport[] = [];
  let sent = 0;
  let lost = false;
  const receiver = new Receiver({
    target: { folder: new LocalFolder(dirname(to)), name: basename(to), path: "", above: 0 },
    key,
    room: new DiskRoom(),
    writers,
    progress: new Progress(),
    consumed: () => undefined,
    report: (report: Report) => {
      if (lost) return;
      const read = readReport(JSON.stringify(report));
      reports.push(read);
      setImmediate(() => {
        if (lost) return;
        if ("failed" in read) sender.refused(read.failed.entry);
        else if ("part" in read) sender.offered(read.part.entry, read.part.offer);
      });
    },
    onFailed: (error) => failures.push(error),
    onNote: () => undefined,
  });
  const sender: Sender = new Sender({
    output: {
      sendBulk(buffer, start, end, written) {
        const bytes = Buffer.from(buffer.subarray(start, end));
        options.damage?.(bytes, sent);
        setImmediate(() => {
          if (lost) return;
          const left = cutAfter - sent;
          sent += bytes.length;
          receiver.push(bytes.subarray(0, Math.max(0, Math.min(left, bytes.length))));
          written();
          if (left > bytes.length) return;
          lost = true;
          const reason = new TetherError("unreachable", "cut");
          sender.stop(reason);
          void receiver.abort(reason);
        });
      },
    },
    key,
    recursive: true,
    resumes: true,
    progress: new Progress(),
    onFailed: (error) => failures.push(error),
  });
  let error: TetherError | undefined;
  try {
    const source = {
      path: from,
      open: () => ({ folder: new LocalFolder(dirname(from)), name: basename(from), base: basename(from) }),
    };
    await sender.send([source]);
    setImmediate(() => receiver.end());
  } catch (thrown) {
    error = thrown as TetherError;
  }
  await receiver.done.catch((thrown) => {
    error ??= thrown as TetherError;
  });
  return { error, failures, sent, resumed: sender.resumed, reports };
}
