import { randomBytes } from "node:crypto";
import { asTetherError, type Stream, TetherError } from "../../protocol/index.ts";
import { DIGEST_KEY_BYTES, type FilesRequest, writeFilesRequest } from "../../transfer/index.ts";
import type { Client } from "../client.ts";

/** One side of a transfer. */
export interface TransferEnd {
  onDocument?(text: string): void;
  onData?(bytes: Buffer): void;
  onEnd?(): void;
  /** The transfer is over before its time; the other side knows. */
  onBroken(reason: TetherError): void;
}

/** An open stream of kind `files`. */
export interface FileStream {
  readonly stream: Stream;
  /** Key of the transfer's digests. */
  readonly key: Buffer;
  /** Bytes that came. */
  readonly received: number;
  /** Stops listening to the signal. */
  release(): void;
}

/** Opens a transfer, and ends it when `signal` aborts. */
export function openFileStream(
  client: Client,
  request: FilesRequest,
  signal: AbortSignal,
  serve: (stream: Stream, key: Buffer) => TransferEnd,
): FileStream {
  signal.throwIfAborted();
  const key = randomBytes(DIGEST_KEY_BYTES);
  const opened = { received: 0 };
  let end: TransferEnd | undefined;
  const stream = client.stream("files", writeFilesRequest(request, key), {
    onDocument(text) {
      opened.received += Buffer.byteLength(text);
      end?.onDocument?.(text);
    },
    onData(bytes) {
      opened.received += bytes.length;
      end?.onData?.(bytes);
    },
    onEnd: () => end?.onEnd?.(),
    onReset: (reason) => end?.onBroken(reason),
  });
  end = serve(stream, key);
  const onAbort = () => {
    const reason = asTetherError(signal.reason);
    stream.reset(reason);
    end?.onBroken(reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    stream,
    key,
    get received() {
      return opened.received;
    },
    release: () => signal.removeEventListener("abort", onAbort),
  };
}

/** For an agent that ends a transfer without saying how it went. */
export function endedEarly(): TetherError {
  return new TetherError("internal", "the agent ended the transfer before all was done");
}
