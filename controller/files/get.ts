import { resolve } from "node:path";
import { type TetherError, TRANSFER, WIRE } from "../../protocol/index.ts";
import {
  DiskRoom,
  historyFor,
  type PackingMode,
  type Progress,
  Receiver,
  receiverInput,
  removeOldParts,
  type Target,
  TransferHistory,
  Writers,
} from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { expandPaths } from "./expand.ts";
import { openFileStream } from "./file-stream.ts";
import { localTarget } from "./local-places.ts";
import type { TransferOutcome } from "./outcome.ts";
import { packedWith } from "./packed.ts";

/** What comes from an agent. */
export interface GetOptions {
  /** Paths in the agent's files, or patterns of such. */
  readonly sources: readonly string[];
  /** A path here. */
  readonly target: string;
  readonly recursive: boolean;
  readonly progress: Progress;
  /** Whether the agent shall count what there is in all, for whoever shows that. */
  readonly totals: boolean;
  /** Whether what is sent is packed; `auto` unless given. */
  readonly compress?: PackingMode;
  readonly signal: AbortSignal;
}

/** Brings files here, and trees with `recursive`. Throws when the transfer as a whole breaks; see the outcome for the rest. */
export async function getFiles(client: Client, options: GetOptions): Promise<TransferOutcome> {
  const { recursive, totals, progress, signal } = options;
  const start = performance.now();
  const sources = await expandPaths(client, options.sources, signal);
  const packed = await packedWith(client, options.compress ?? "auto");
  const isMany = recursive || sources.length > 1;
  const historyFile = isMany ? historyFor(client.name, sources, resolve(options.target)) : undefined;
  const target: Target = localTarget(options.target, sources.length > 1, historyFile);
  const writers = new Writers();
  const history =
    historyFile === undefined
      ? undefined
      : TransferHistory.open(target.folder, historyFile, target.name, writers);
  // What cannot be removed is in nobody's way.
  removeOldParts(target.folder).catch(() => undefined);
  const failures: TetherError[] = [];
  const notes: string[] = [];
  let sent = 0;
  let receiver: Receiver | undefined;
  const request = {
    action: "get",
    sources,
    recursive,
    totals,
    resumes: true,
    tellsHistory: isMany,
    packed,
  } as const;
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
      writers,
      history,
      progress,
      consumed: (bytes) => input.consumed(bytes),
      report(report) {
        const text = JSON.stringify(report);
        sent += Buffer.byteLength(text);
        stream.sendDocument(text, "done" in report);
      },
      onFailed: (error) => failures.push(error),
      onNote: (note) => notes.push(note),
    });
    receiver = own;
    // Why it gave up is for the agent to know too.
    if (isMany) setImmediate(() => void own.tellHistory());
    own.done.catch((error) => stream.reset(error));
    return {
      onData: (bytes) => input.push(bytes),
      onEnd: () => input.end(),
      onBroken: (reason) => void own.abort(reason),
    };
  });
  try {
    const { files, bytes } = await (receiver as Receiver).done.finally(() => {
      progress.sent += sent + transfer.received;
    });
    const seconds = (performance.now() - start) / 1000;
    const { resumed } = receiver as Receiver;
    return { files, bytes, sent: progress.sent, resumed, seconds, failures, notes };
  } finally {
    transfer.release();
  }
}
