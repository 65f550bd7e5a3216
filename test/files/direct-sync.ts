import { basename } from "node:path";
import type { TetherError } from "../../protocol/index.ts";
import {
  DiskRoom,
  exclusions,
  LocalFolder,
  type PlannedAction,
  Progress,
  Receiver,
  type Report,
  readReport,
  Sender,
  type SyncChoices,
  SyncSource,
  Writers,
  writeRecordHeader,
} from "../../transfer/index.ts";

/** What a sync without a network between its ends did. */
export interface DirectSync {
  /** Undefined when all went well. */
  readonly error: TetherError | undefined;
  readonly failures: readonly TetherError[];
  readonly reports: readonly Report[];
  readonly plan: readonly PlannedAction[];
  readonly files: number;
  readonly unchanged: number;
  /** Bytes from the sender. */
  readonly sent: number;
}

export interface DirectSyncOptions extends Partial<SyncChoices> {
  /** Changes an answer on its way; told how many came before it. */
  readonly answer?: (bytes: Buffer, number: number) => Buffer;
  /** The source, when it is not simply the folder of that path. */
  readonly folder?: LocalFolder;
}

/** A receiver of a sync into a folder, in this process. */
export function syncReceiver(
  to: string,
  options: Partial<SyncChoices>,
  more: {
    readonly answer: (bytes: Buffer) => void;
    readonly report?: (report: Report) => void;
    readonly onFailed?: (error: TetherError) => void;
    readonly onPlan?: (action: PlannedAction) => void;
  },
): Receiver {
  return new Receiver({
    target: { folder: new LocalFolder(to), name: undefined, path: "", above: 0 },
    key: Buffer.alloc(32, 7),
    room: new DiskRoom(),
    writers: new Writers(),
    progress: new Progress(),
    consumed: () => undefined,
    report: more.report ?? (() => undefined),
    onFailed: more.onFailed ?? (() => undefined),
    onNote: () => undefined,
    sync: {
      excluded: exclusions(options.exclude ?? []),
      mayRemove: options.delete === true,
      isDryRun: options.dryRun === true,
      isFolder: true,
      answer: (bytes) => {
        more.answer(bytes);
        return undefined;
      },
      onPlan: more.onPlan ?? (() => undefined),
    },
  });
}

/** Syncs one folder to another, both ends in this process. */
export async function syncDirectly(
  from: string,
  to: string,
  options: DirectSyncOptions = {},
): Promise<DirectSync> {
  const failures: TetherError[] = [];
  const reports: Report[] = [];
  const plan: PlannedAction[] = [];
  const key = Buffer.alloc(32, 7);
  const choices = { delete: false, dryRun: false, checksum: false, exclude: [], ...options };
  let answers = 0;
  let sent = 0;
  const receiver = syncReceiver(to, options, {
    answer(bytes) {
      const answer = options.answer?.(bytes, answers++) ?? bytes;
      setImmediate(() => {
        try {
          source.push(answer);
        } catch (error) {
          source.stop(error as TetherError);
        }
      });
    },
    report(report) {
      reports.push(report);
      const read = readReport(JSON.stringify(report));
      setImmediate(() => {
        if ("failed" in read) sender.refused(read.failed.entry);
        else if ("part" in read) sender.offered(read.part.entry, read.part.offer);
        else if ("again" in read) source.again(read.again);
      });
    },
    onFailed: (error) => failures.push(error),
    onPlan: (action) => plan.push(action),
  });
  const sender: Sender = new Sender({
    output: {
      sendBulk(buffer, start, end, written) {
        const bytes = Buffer.from(buffer.subarray(start, end));
        sent += bytes.length;
        setImmediate(() => {
          receiver.push(bytes);
          written();
        });
      },
    },
    key,
    recursive: true,
    resumes: true,
    progress: new Progress(),
    onFailed: () => undefined,
  });
  const source: SyncSource = new SyncSource({
    sender,
    key,
    progress: new Progress(),
    excluded: exclusions(choices.exclude),
    choices,
    consumed: () => undefined,
    onPlan: (action) => {
      plan.push(action);
      return undefined;
    },
  });
  // As a stream would tell it.
  receiver.done.catch((reason) => source.stop(reason as TetherError));
  let [error, files, unchanged]: [TetherError | undefined, number, number] = [undefined, 0, 0];
  try {
    const opened = { folder: options.folder ?? new LocalFolder(from), name: "", base: basename(from) };
    await source.run({ path: from, open: () => opened });
    setImmediate(() => receiver.end());
  } catch (thrown) {
    error = thrown as TetherError;
    void receiver.abort(error);
  }
  await receiver.done.then(
    (received) => {
      ({ files, unchanged } = received);
    },
    (thrown) => {
      error ??= thrown as TetherError;
    },
  );
  return { error, failures, reports, plan, files, unchanged, sent };
}

/** A record as a hostile sender would write it. */
export function record(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  body.copy(bytes, writeRecordHeader(bytes, 0, type, body.length));
  return bytes;
}
