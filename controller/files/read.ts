import type { Writable } from "node:stream";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import { ContentDigests, type Item, RecordReader } from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { expandPaths } from "./expand.ts";
import { endedEarly, openFileStream } from "./file-stream.ts";

/**
 * Writes the content of files on an agent to `output`, one after the other.
 *
 * @throws TetherError what stands in the way of the first that fails, `integrity` when what came is not what the
 * agent read; what was written by then is written
 */
export async function readFiles(
  client: Client,
  paths: readonly string[],
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  const request = {
    action: "get",
    sources: await expandPaths(client, paths, signal),
    recursive: false,
    totals: false,
    resumes: false,
    tellsHistory: false,
  } as const;
  let settle: (error?: TetherError) => void = () => undefined;
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const transfer = openFileStream(client, request, signal, (stream, key) => {
    const reader = new RecordReader();
    const content = new ContentOutput(key, output, (bytes) => stream.consumed(bytes));
    const fail = (thrown: unknown) => {
      const error = asTetherError(thrown);
      stream.reset(error);
      settle(error);
    };
    return {
      onData(bytes) {
        try {
          reader.push(bytes);
          const before = reader.held;
          let content_ = 0;
          for (let item = reader.next(); item !== undefined; item = reader.next()) {
            if (item.kind === "content") content_ += item.bytes.length;
            content.take(item);
          }
          stream.consumed(before - reader.held - content_);
        } catch (error) {
          fail(error);
        }
      },
      onEnd() {
        stream.end();
        settle(reader.isBetween ? undefined : endedEarly());
      },
      onBroken: settle,
    };
  });
  try {
    await done;
  } finally {
    transfer.release();
  }
}

/** Checks what it writes. */
class ContentOutput {
  readonly #key: Buffer;
  readonly #output: Writable;
  readonly #consumed: (bytes: number) => void;
  #entries = 0;
  #digests: ContentDigests | undefined;

  /** `consumed` is called when bytes of content have left. */
  constructor(key: Buffer, output: Writable, consumed: (bytes: number) => void) {
    this.#key = key;
    this.#output = output;
    this.#consumed = consumed;
  }

  take(item: Item): void {
    switch (item.kind) {
      case "file":
        this.#digests = new ContentDigests(this.#key, this.#entries++);
        break;
      case "content": {
        const { bytes } = item;
        this.#digests?.update(bytes);
        this.#output.write(bytes, () => this.#consumed(bytes.length));
        break;
      }
      case "check":
      case "end":
        if (this.#digests?.matches(item.digest) !== true) {
          throw new TetherError("integrity", "what arrived is not what was sent", { hint: "try again" });
        }
        if (item.kind === "check") this.#digests.skip();
        break;
      case "abort":
      case "failed":
        throw item.error;
    }
  }
}
