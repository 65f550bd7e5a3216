import { resolve } from "node:path";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import {
  historyFor,
  type PackingMode,
  type Progress,
  readReport,
  Sender,
  type SenderOutput,
  type Source,
  senderOutput,
} from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { deferred } from "./deferred.ts";
import { endedEarly, openFileStream } from "./file-stream.ts";
import { localSource } from "./local-places.ts";
import type { TransferOutcome } from "./outcome.ts";
import { packedWith } from "./packed.ts";

/** What goes to an agent. */
export interface PutOptions {
  readonly sources: readonly string[];
  /** A path in the agent's files. */
  readonly target: string;
  readonly recursive: boolean;
  /** The same for all attempts of one transfer, and for no other. */
  readonly transfer?: string;
  /** Whether what is sent is packed; `auto` unless given. */
  readonly compress?: PackingMode;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Sends files, and trees with `recursive`. Throws when the transfer as a whole breaks; see the outcome for the rest. */
export async function putFiles(client: Client, options: PutOptions): Promise<TransferOutcome> {
  const { progress, recursive, signal, target, transfer: id = "" } = options;
  const start = performance.now();
  const packed = await packedWith(client, options.compress ?? "auto");
  const failures: TetherError[] = [];
  const sources = options.sources.map(localSource);
  // Of one file alone what there is of it says all.
  const isMany = recursive || sources.length > 1;
  const history = isMany
    ? historyFor(
        options.sources.map((path) => resolve(path)),
        target,
        recursive,
      )
    : "";
  const request = {
    action: "put",
    target,
    several: sources.length > 1,
    transfer: id,
    history,
    packed,
  } as const;
  let sender: Sender | undefined;
  let output: SenderOutput | undefined;
  const done = deferred<{ readonly files: number; readonly bytes: number }>();
  const transfer = openFileStream(client, request, signal, (stream, key) => {
    const way = senderOutput(stream, packed);
    output = way;
    sender = new Sender({
      output: way,
      key,
      recursive,
      resumes: true,
      awaitsHistory: history !== "",
      progress,
      onFailed: (error) => failures.push(error),
    });
    const own = sender;
    return {
      onDocument(text) {
        try {
          const report = readReport(text);
          if ("done" in report) {
            done.resolve(report.done);
          } else if ("failed" in report) {
            failures.push(TetherError.fromJSON(report.failed));
            own.refused(report.failed.entry);
          } else if ("have" in report) {
            own.has(report.have, report.more);
          } else if ("part" in report) {
            own.offered(report.part.entry, report.part.offer);
          }
        } catch (error) {
          this.onBroken(asTetherError(error));
        }
      },
      onEnd: () => done.reject(endedEarly()),
      onBroken(reason) {
        own.stop(reason);
        way.abandon();
        done.reject(reason);
      },
    };
  });
  try {
    // Both are waited for: the sender holds files that it closes.
    const sending = sendAll(sender as Sender, output as SenderOutput, sources);
    const ending = sending.then(() => transfer.stream.end());
    const [, { files, bytes }] = await Promise.all([ending, done.promise]).finally(async () => {
      await sending.catch(() => undefined);
      progress.sent += (output as SenderOutput).sent + transfer.received;
    });
    const seconds = (performance.now() - start) / 1000;
    return {
      files,
      bytes,
      sent: progress.sent,
      resumed: (sender as Sender).resumed,
      seconds,
      failures,
      notes: [],
    };
  } finally {
    transfer.release();
  }
}

async function sendAll(sender: Sender, output: SenderOutput, sources: readonly Source[]): Promise<void> {
  await sender.send(sources);
  await output.finish();
}
