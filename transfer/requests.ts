import { TetherError, TRANSFER } from "../protocol/index.ts";
import { DIGEST_KEY_BYTES } from "./digest.ts";
import { ownPackings, type Packing, type PackingMode } from "./packing.ts";
import { type PartOffer, type PartShape, readPartShape } from "./prefix-proof.ts";

/** That what the sender sends comes in chunks, which may be packed. */
export interface Packed {
  readonly packing: Packing;
  readonly mode: Exclude<PackingMode, "off">;
}

/** What is to be moved. */
export type FilesRequest =
  | {
      /** From the agent. */
      readonly action: "get";
      readonly sources: readonly string[];
      readonly recursive: boolean;
      /** Whether the sender shall count what there is in all. */
      readonly totals: boolean;
      /** Whether the receiver says what it has of large files already. */
      readonly resumes: boolean;
      /** Whether the receiver says first which files it has already. */
      readonly tellsHistory: boolean;
      readonly packed?: Packed | undefined;
    }
  | {
      /** To the agent. */
      readonly action: "put";
      readonly target: string;
      /** Whether several things are coming, for which the target must be a folder. */
      readonly several: boolean;
      /** What tells the transfer of one command from all others: an earlier one of the same is over. */
      readonly transfer: string;
      /** The same for the same command whenever it runs; empty when it need not go on where it stopped. */
      readonly history: string;
      readonly packed?: Packed | undefined;
    }
  | SyncRequest;

/** A sync: of exactly one of the two sides it says what is on the agent. */
export interface SyncRequest extends SyncChoices {
  readonly action: "sync";
  readonly packed?: Packed | undefined;
  /** From the agent. */
  readonly source?: string;
  /** To the agent. */
  readonly target?: string;
}

/** What a person chooses of a sync. */
export interface SyncChoices {
  /** Whether what the source has not is removed. */
  readonly delete: boolean;
  readonly dryRun: boolean;
  /** Whether files are compared by their content. */
  readonly checksum: boolean;
  /** Patterns of what is left alone. */
  readonly exclude: readonly string[];
}

/** What the receiver says while it receives: documents on the same stream. */
export type Report =
  /** So many files are whole and under their names. */
  | { readonly taken: number }
  /** The entry of this number was not taken; its sender need not go on with it. */
  | {
      readonly failed: {
        readonly entry: number;
        readonly code: string;
        readonly message: string;
        readonly hint?: string;
      };
    }
  /** The numbers of files that are here already; `more`: these are not all. */
  | { readonly have: readonly number[]; readonly more: boolean }
  /** So much of the entry is here already. */
  | { readonly part: PartShape }
  /** The entry of this number could not be made from the old file, and is to come as a whole. */
  | { readonly again: number }
  /** All is done; the last document. */
  | { readonly done: { readonly files: number; readonly bytes: number; readonly removed?: number } };

/** The first document of a stream of kind `files`: the request, and the key of its digests in base 64. */
export function writeFilesRequest(request: FilesRequest, key: Buffer): string {
  return JSON.stringify({ ...request, key: key.toString("base64") });
}

/** Reads what {@link writeFilesRequest} gives. Throws `invalid` for anything else. */
export function readFilesRequest(text: string): { readonly request: FilesRequest; readonly key: Buffer } {
  const value = parseObject(text);
  const key = typeof value.key === "string" ? Buffer.from(value.key, "base64") : Buffer.alloc(0);
  if (key.length !== DIGEST_KEY_BYTES)
    throw new TetherError("invalid", `a request with no key of ${DIGEST_KEY_BYTES} bytes`);
  const {
    action,
    source,
    sources,
    target,
    recursive,
    totals,
    resumes,
    several,
    transfer,
    tellsHistory,
    history,
  } = value;
  const packed = readPacked(value.packed);
  if (action === "get" && isTexts(sources)) {
    if (sources.length === 0 || sources.length > TRANSFER.sources) {
      throw new TetherError("limit", `${sources.length} sources; allowed: 1 to ${TRANSFER.sources}`);
    }
    return {
      request: {
        action: "get",
        sources,
        recursive: recursive === true,
        totals: totals === true,
        resumes: resumes === true,
        tellsHistory: tellsHistory === true,
        packed,
      },
      key,
    };
  }
  if (action === "put" && typeof target === "string") {
    const id = shortText(transfer);
    return {
      request: {
        action: "put",
        target,
        several: several === true,
        transfer: id,
        history: shortText(history),
        packed,
      },
      key,
    };
  }
  if (action === "sync" && (typeof source === "string") !== (typeof target === "string")) {
    const { delete: remove, dryRun, checksum, exclude } = value;
    const choices = {
      delete: remove === true,
      dryRun: dryRun === true,
      checksum: checksum === true,
      exclude: isTexts(exclude) ? exclude : [],
    };
    const side = typeof source === "string" ? { source } : { target: target as string };
    return { request: { action: "sync", ...side, ...choices, packed }, key };
  }
  throw new TetherError(
    "invalid",
    "a request for files is to get sources, to put to a target, or to sync one of them",
  );
}

function readPacked(value: unknown): Packed | undefined {
  if (!isObject(value)) return undefined;
  const packing = ownPackings().find((own) => own === value.packing);
  if (packing === undefined) {
    throw new TetherError(
      "invalid",
      `a packing that this side has not; allowed: ${ownPackings().join(", ")}`,
    );
  }
  return { packing, mode: value.mode === "on" ? "on" : "auto" };
}

/** A report as its reader takes it. */
export type ReadReport =
  | Exclude<Report, { readonly part: PartShape }>
  | { readonly part: { readonly entry: number; readonly offer: PartOffer } };

/** Reads a report. Throws `invalid` for anything else. */
export function readReport(text: string): ReadReport {
  const { taken, failed, have, more, part, again, done } = parseObject(text) as { [name: string]: unknown };
  if (typeof taken === "number") return { taken };
  if (isObject(failed) && typeof failed.entry === "number" && typeof failed.message === "string") {
    const { code, message, hint } = TetherError.fromJSON(failed);
    return { failed: { entry: failed.entry, code, message, ...(hint !== undefined && { hint }) } };
  }
  if (Array.isArray(have) && have.every(Number.isSafeInteger)) return { have, more: more === true };
  if (isObject(part)) return { part: readPartShape(part) };
  if (typeof again === "number") return { again };
  if (isObject(done) && typeof done.files === "number" && typeof done.bytes === "number") {
    const removed = typeof done.removed === "number" ? done.removed : 0;
    return { done: { files: done.files, bytes: done.bytes, removed } };
  }
  throw new TetherError("invalid", "a report that no receiver of files gives");
}

function parseObject(text: string): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function shortText(value: unknown): string {
  return typeof value === "string" && value.length <= TRANSFER.transferId ? value : "";
}
