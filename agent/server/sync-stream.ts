import { asTetherError, roleAllows, type Stream, TetherError, TRANSFER, WIRE } from "../../protocol/index.ts";
import {
  exclusions,
  Progress,
  Receiver,
  readReport,
  receiverInput,
  Sender,
  type SyncRequest,
  SyncSource,
  senderOutput,
  syncBody,
  syncType,
} from "../../transfer/index.ts";
import type { Files } from "../files/index.ts";
import type { Log } from "../log.ts";
import type { Caller } from "../procedures/index.ts";
import { EarlyArrivals } from "./early-arrivals.ts";

/** Who syncs, and with what. */
export interface Syncing {
  readonly caller: Caller;
  readonly files: Files;
  readonly log: Log;
}

/** Serves a request to sync, one way or the other; settles when nothing of it is held any more. */
export async function serveSync(
  stream: Stream,
  request: SyncRequest,
  key: Buffer,
  syncing: Syncing,
): Promise<void> {
  try {
    if (request.source === undefined) await receive(stream, request, key, syncing);
    else await send(stream, request, request.source, key, syncing.files);
  } catch (thrown) {
    stream.reset(asTetherError(thrown));
  }
}

async function send(
  stream: Stream,
  request: SyncRequest,
  path: string,
  key: Buffer,
  files: Files,
): Promise<void> {
  const progress = new Progress();
  // What could not be read is told the receiver, who is the one that asked.
  const output = senderOutput(stream, request.packed);
  const sender = new Sender({
    output,
    key,
    recursive: true,
    resumes: true,
    progress,
    onFailed: () => undefined,
  });
  const source = new SyncSource({
    sender,
    key,
    progress,
    excluded: exclusions(request.exclude),
    choices: request,
    consumed: (bytes) => stream.consumed(bytes),
    onPlan: (action) => {
      const item = { kind: "plan", action } as const;
      return sender.write(syncType(item), syncBody(item));
    },
  });
  stream.handlers = {
    onData(bytes) {
      attempt(source, () => source.push(bytes));
    },
    onDocument(text) {
      attempt(source, () => {
        const report = readReport(text);
        if ("failed" in report) sender.refused(report.failed.entry);
        else if ("part" in report) sender.offered(report.part.entry, report.part.offer);
        else if ("again" in report) source.again(report.again);
      });
    },
    onEnd: () => stop(new TetherError("cancelled", "the receiver has ended the sync")),
    onReset: (error) => stop(error),
  };
  const stop = (error: TetherError) => {
    source.stop(error);
    output.abandon();
  };
  await source.run(files.source(path));
  await output.finish();
  stream.end();
}

/** Whatever breaks the rules of a sync ends it. */
function attempt(source: SyncSource, work: () => void): void {
  try {
    work();
  } catch (error) {
    source.stop(asTetherError(error));
  }
}

async function receive(
  stream: Stream,
  request: SyncRequest,
  key: Buffer,
  { caller, files, log }: Syncing,
): Promise<void> {
  if (!request.dryRun && !roleAllows(caller.role, "operator")) {
    throw new TetherError("forbidden", `writing files needs the role operator; you have ${caller.role}`);
  }
  const path = request.target ?? "";
  const excluded = exclusions(request.exclude);
  let failures = 0;
  const early = new EarlyArrivals(stream);
  await files.room.prepare(0);
  if (early.isOver) return;
  let drained: (() => void) | undefined;
  const input = receiverInput(
    request.packed,
    () => receiver,
    (bytes) => stream.consumed(bytes),
    (error) => void receiver.abort(error),
  );
  const receiver: Receiver = new Receiver({
    // A folder that is not there is made.
    target: files.target(path.replace(/\/+$/, ""), false),
    key,
    room: files.room,
    writers: files.writers,
    leftovers: files.leftovers,
    progress: new Progress(),
    consumed: (bytes) => input.consumed(bytes),
    report: (report) => stream.sendDocument(JSON.stringify(report), "done" in report),
    onFailed: () => failures++,
    onNote: () => undefined,
    sync: {
      excluded,
      mayRemove: request.delete,
      isDryRun: request.dryRun,
      isFolder: path.endsWith("/"),
      answer(bytes) {
        stream.sendData(bytes);
        if (!stream.isWaiting || stream.isOver) return undefined;
        return new Promise((resolve) => {
          drained = resolve;
        });
      },
      onPlan: () => undefined,
    },
  });
  stream.handlers = {
    onData: (bytes) => input.push(bytes),
    onEnd: () => input.end(),
    onReset: (error) => {
      drained?.();
      void receiver.abort(error);
    },
    onDrain: () => drained?.(),
  };
  stream.grant(TRANSFER.window - WIRE.initialWindow);
  early.handTo(input);
  const facts = { label: caller.label, address: caller.origin, target: path };
  try {
    const { files: count, bytes, removed } = await receiver.done;
    if (request.dryRun) return;
    const what = `${caller.label} synced ${count} files to ${path}`;
    log.info("files-written", what, { ...facts, files: count, bytes, removed, failures });
  } catch (thrown) {
    const error = asTetherError(thrown);
    log.warn("files-not-written", `${caller.label} could not sync to ${path}: ${error.message}`, {
      ...facts,
      code: error.code,
    });
    throw error;
  }
}
