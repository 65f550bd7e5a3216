import { asTetherError, TetherError, TRANSFER, WIRE } from "../../protocol/index.ts";
import {
  DiskRoom,
  exclusions,
  NOTHING_REMOVED,
  type PackingMode,
  type PlannedAction,
  type Progress,
  Receiver,
  readReport,
  receiverInput,
  Sender,
  type SenderOutput,
  type SyncChoices,
  SyncSource,
  senderOutput,
  Writers,
} from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { deferred } from "../files/deferred.ts";
import { endedEarly, openFileStream } from "../files/file-stream.ts";
import { localSource, localTarget } from "../files/local-places.ts";
import type { TransferOutcome } from "../files/outcome.ts";
import { packedWith } from "../files/packed.ts";

/** What is to become equal. */
export interface SyncOptions extends SyncChoices {
  readonly source: string;
  readonly target: string;
  readonly progress: Progress;
  /** Whether what is sent is packed; `auto` unless given. */
  readonly compress?: PackingMode;
  /** Told in a dry run of what would be done. */
  readonly onPlan: (action: PlannedAction) => void;
  readonly signal: AbortSignal;
}

/** What a sync did. */
export interface SyncOutcome extends TransferOutcome {
  /** Files that were equal already. */
  readonly unchanged: number;
  /** What was removed, a folder with all that was in it counted as one. */
  readonly deleted: number;
}

/**
 * Makes a file or folder on an agent equal to one here. Throws when the sync as a whole breaks; see the outcome for
 * the rest.
 */
export async function syncToAgent(client: Client, options: SyncOptions): Promise<SyncOutcome> {
  const { progress, signal } = options;
  const choices = choicesOf(options);
  const excluded = exclusions(options.exclude);
  const start = performance.now();
  const packed = await packedWith(client, options.compress ?? "auto");
  const failures: TetherError[] = [];
  const { promise, resolve, reject } = deferred<{ files: number; bytes: number; removed?: number }>();
  let sender: Sender | undefined;
  let output: SenderOutput | undefined;
  let source: SyncSource | undefined;
  const request = { action: "sync", target: options.target, ...choices, packed } as const;
  const transfer = openFileStream(client, request, signal, (stream, key) => {
    const way = senderOutput(stream, packed);
    output = way;
    const own = new Sender({
      output: way,
      key,
      recursive: true,
      resumes: true,
      progress,
      onFailed: (error) => failures.push(error),
    });
    const walk = new SyncSource({
      sender: own,
      key,
      progress,
      excluded,
      choices,
      consumed: (bytes) => stream.consumed(bytes),
      onPlan: (action) => {
        options.onPlan(action);
        return undefined;
      },
    });
    [sender, source] = [own, walk];
    const attempt = (work: () => void) => {
      try {
        work();
      } catch (error) {
        end.onBroken(asTetherError(error));
        stream.reset(asTetherError(error));
      }
    };
    const end = {
      onData: (bytes: Buffer) => attempt(() => walk.push(bytes)),
      onDocument: (text: string) =>
        attempt(() => {
          const report = readReport(text);
          if ("done" in report) {
            resolve(report.done);
          } else if ("part" in report) {
            own.offered(report.part.entry, report.part.offer);
          } else if ("again" in report) {
            walk.again(report.again);
          } else if ("failed" in report) {
            failures.push(TetherError.fromJSON(report.failed));
            own.refused(report.failed.entry);
          }
        }),
      onEnd: () => end.onBroken(endedEarly()),
      onBroken(reason: TetherError) {
        walk.stop(reason);
        way.abandon();
        reject(reason);
      },
    };
    return end;
  });
  try {
    const running = (source as unknown as SyncSource).run(localSource(options.source)).then(
      async (counts) => {
        await (output as unknown as SenderOutput).finish();
        transfer.stream.end();
        return counts;
      },
      (error) => {
        transfer.stream.reset(asTetherError(error));
        throw error;
      },
    );
    // Both are waited for: what is being read is closed then.
    const [counts, done] = await Promise.all([running, promise]).finally(async () => {
      await running.catch(() => undefined);
      progress.sent += (output as unknown as SenderOutput).sent + transfer.received;
    });
    return {
      files: done.files,
      bytes: done.bytes,
      sent: progress.sent,
      resumed: (sender as unknown as Sender).resumed,
      seconds: (performance.now() - start) / 1000,
      unchanged: counts.unchanged,
      deleted: done.removed ?? 0,
      failures,
      notes: counts.isIncomplete ? [NOTHING_REMOVED] : [],
    };
  } finally {
    transfer.release();
  }
}

/** The same the other way: makes a file or folder here equal to one on an agent. */
export async function syncFromAgent(client: Client, options: SyncOptions): Promise<SyncOutcome> {
  const { progress, signal } = options;
  const choices = choicesOf(options);
  const excluded = exclusions(options.exclude);
  const start = performance.now();
  const packed = await packedWith(client, options.compress ?? "auto");
  // A folder that is not there is made.
  const target = localTarget(options.target.replace(/(?<=.)[/\\]+$/, ""), false);
  const failures: TetherError[] = [];
  const notes: string[] = [];
  let sent = 0;
  let receiver: Receiver | undefined;
  const request = { action: "sync", source: options.source, ...choices, packed } as const;
  const transfer = openFileStream(client, request, signal, (stream, key) => {
    stream.grant(TRANSFER.window - WIRE.initialWindow);
    const input = receiverInput(
      packed,
      () => own,
      (bytes) => stream.consumed(bytes),
      (error) => void own.abort(error),
    );
    const own: Receiver = new Receiver({
      target,
      key,
      room: new DiskRoom(),
      writers: new Writers(),
      progress,
      consumed: (bytes) => input.consumed(bytes),
      report(report) {
        const text = JSON.stringify(report);
        sent += Buffer.byteLength(text);
        stream.sendDocument(text, "done" in report);
      },
      onFailed: (error) => failures.push(error),
      onNote: (note) => notes.push(note),
      sync: {
        excluded,
        mayRemove: options.delete,
        isDryRun: options.dryRun,
        isFolder: /[/\\]$/.test(options.target),
        answer(bytes) {
          sent += bytes.length;
          stream.sendData(bytes);
          return undefined;
        },
        onPlan: options.onPlan,
      },
    });
    receiver = own;
    // Why it gave up is for the agent to know too.
    own.done.catch((error) => stream.reset(error));
    return {
      onData: (bytes) => input.push(bytes),
      onEnd: () => input.end(),
      onBroken: (reason) => void own.abort(reason),
    };
  });
  try {
    const own = receiver as unknown as Receiver;
    const {
      files,
      bytes,
      unchanged,
      removed: deleted,
    } = await own.done.finally(() => {
      progress.sent += sent + transfer.received;
    });
    const { resumed } = own;
    const seconds = (performance.now() - start) / 1000;
    return { files, bytes, sent: progress.sent, resumed, seconds, unchanged, deleted, failures, notes };
  } finally {
    transfer.release();
  }
}

function choicesOf({ delete: remove, dryRun, checksum, exclude }: SyncChoices): SyncChoices {
  return { delete: remove, dryRun, checksum, exclude };
}
