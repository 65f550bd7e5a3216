import { type JsonObject, TetherError } from "../../protocol/index.ts";

/** What a transfer did. */
export interface TransferOutcome {
  readonly files: number;
  /** Bytes of content. */
  readonly bytes: number;
  /** Bytes of payload on the wire, both ways. */
  readonly sent: number;
  /** Bytes that an earlier transfer had moved already. */
  readonly resumed: number;
  readonly seconds: number;
  /** What could not be read or written; the rest was moved all the same. */
  readonly failures: readonly TetherError[];
  /** What is worth knowing and no failure. */
  readonly notes: readonly string[];
}

/** The outcome as `--json` prints it. */
export function outcomeJson({ files, bytes, sent, resumed, seconds }: TransferOutcome): JsonObject {
  return { files, bytes, sent, resumed, seconds: Math.round(seconds * 1000) / 1000 };
}

/** Throws when something failed: the failure itself when it is the only one, else how many there were. */
export function throwFailures({ failures, files }: TransferOutcome): void {
  const [first] = failures;
  if (first === undefined) return;
  if (failures.length === 1) throw first;
  throw new TetherError(
    first.code,
    `${failures.length} failed, ${files} files are moved; the first: ${first.message}`,
    {
      hint: first.hint,
    },
  );
}
