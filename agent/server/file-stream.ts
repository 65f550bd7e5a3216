import { asTetherError, roleAllows, type Stream, TetherError, TRANSFER, WIRE } from "../../protocol/index.ts";
import {
  type FilesRequest,
  historyFor,
  Progress,
  Receiver,
  readFilesRequest,
  readReport,
  receiverInput,
  Sender,
  senderOutput,
  TransferHistory,
} from "../../transfer/index.ts";
import type { Files } from "../files/index.ts";
import type { Log } from "../log.ts";
import type { Caller } from "../procedures/index.ts";
import { EarlyArrivals } from "./early-arrivals.ts";
import { serveSync } from "./sync-stream.ts";

type Get = Extract<FilesRequest, { action: "get" }>;
type Put = Extract<FilesRequest, { action: "put" }>;

/** Serves a stream of kind `files`: one request, then files one way and reports the other. */
export function serveFiles(stream: Stream, caller: Caller, files: Files, log: Log): void {
  stream.handlers = {
    onDocument(text) {
      try {
        files.checkTransfers();
        const { request, key } = readFilesRequest(text);
        if (request.action === "get") {
          void files.follow(send(stream, request, key, files));
        } else if (request.action === "sync") {
          void files.follow(serveSync(stream, request, key, { caller, files, log }));
        } else {
          if (!roleAllows(caller.role, "operator")) {
            throw new TetherError(
              "forbidden",
              `writing files needs the role operator; you have ${caller.role}`,
            );
          }
          void files.follow(receive(stream, request, key, { caller, files, log }));
        }
      } catch (error) {
        stream.reset(asTetherError(error));
      }
    },
  };
}

async function send(stream: Stream, request: Get, key: Buffer, files: Files): Promise<void> {
  const { recursive, sources } = request;
  const output = senderOutput(stream, request.packed);
  const sender = new Sender({
    output,
    key,
    recursive,
    resumes: request.resumes,
    awaitsHistory: request.tellsHistory,
    progress: new Progress(),
    // The receiver is told, which is the one who asked.
    onFailed: () => undefined,
  });
  stream.handlers = {
    onDocument(text) {
      try {
        const report = readReport(text);
        if ("failed" in report) sender.refused(report.failed.entry);
        else if ("have" in report) sender.has(report.have, report.more);
        else if ("part" in report) sender.offered(report.part.entry, report.part.offer);
      } catch (error) {
        sender.stop(asTetherError(error));
      }
    },
    onReset(error) {
      sender.stop(error);
      output.abandon();
    },
  };
  try {
    await sender.send(sources.map((path) => files.source(path)));
    await output.finish();
    stream.end();
  } catch (error) {
    stream.reset(asTetherError(error));
  }
}

interface Writing {
  readonly caller: Caller;
  readonly files: Files;
  readonly log: Log;
}

async function receive(
  stream: Stream,
  request: Put,
  key: Buffer,
  { caller, files, log }: Writing,
): Promise<void> {
  let failures = 0;
  const historyFile = request.history === "" ? undefined : historyFor(caller.label, request.history);
  const names = {
    transfer: request.transfer === "" ? undefined : `${caller.label} ${request.transfer}`,
    history: historyFile,
  };
  try {
    const early = new EarlyArrivals(stream);
    await files.endEarlier(names);
    await files.room.prepare(0);
    if (early.isOver) return;
    const target = files.target(request.target, request.several, historyFile);
    const history =
      historyFile === undefined
        ? undefined
        : TransferHistory.open(target.folder, historyFile, target.name, files.writers);
    const input = receiverInput(
      request.packed,
      () => receiver,
      (bytes) => stream.consumed(bytes),
      (error) => void receiver.abort(error),
    );
    const receiver: Receiver = new Receiver({
      target,
      history,
      key,
      room: files.room,
      writers: files.writers,
      leftovers: files.leftovers,
      progress: new Progress(),
      consumed: (bytes) => input.consumed(bytes),
      report: (report) => stream.sendDocument(JSON.stringify(report), "done" in report),
      onFailed: () => failures++,
      onNote: () => undefined,
    });
    stream.handlers = {
      onData: (bytes) => input.push(bytes),
      onEnd: () => input.end(),
      onReset: (error) => void receiver.abort(error),
    };
    if (historyFile !== undefined) void receiver.tellHistory();
    stream.grant(TRANSFER.window - WIRE.initialWindow);
    early.handTo(input);
    const received = await files.known(names, receiver);
    log.info("files-written", `${caller.label} wrote ${received.files} files to ${request.target}`, {
      label: caller.label,
      address: caller.origin,
      target: request.target,
      files: received.files,
      bytes: received.bytes,
      failures,
    });
  } catch (thrown) {
    const error = asTetherError(thrown);
    stream.reset(error);
    log.warn("files-not-written", `${caller.label} could not write to ${request.target}: ${error.message}`, {
      label: caller.label,
      address: caller.origin,
      target: request.target,
      code: error.code,
    });
  }
}
