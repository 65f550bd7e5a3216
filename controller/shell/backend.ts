import type { JsonValue } from "../../protocol/index.ts";

/** One entry of a remote folder. */
export interface RemoteEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  /** ISO 8601 in UTC; absent where the server does not say. */
  readonly modified?: string;
  readonly mode?: string;
}

/** What is on the other side of a shell: a Tether agent, or an FTP server. Paths are absolute, with `/`. */
export interface ShellBackend {
  /** How the other side is called, for the prompt. */
  readonly name: string;
  /** The folder that one begins in; absent where that is the root. */
  startFolder?(signal: AbortSignal): Promise<string>;
  /** The entries of a folder, sorted by name. */
  list(path: string, signal: AbortSignal): Promise<readonly RemoteEntry[]>;
  /** What a path is; throws `not-found` for nothing. */
  stat(path: string, signal: AbortSignal): Promise<RemoteEntry>;
  /** Brings files here; gives a line on what was done. */
  get(sources: readonly string[], target: string, options: CopyOptions): Promise<string>;
  /** Brings files there; gives a line on what was done. */
  put(sources: readonly string[], target: string, options: CopyOptions): Promise<string>;
  makeFolder(path: string, signal: AbortSignal): Promise<void>;
  remove(path: string, recursive: boolean, signal: AbortSignal): Promise<void>;
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** What the other side says of its system. */
  system(signal: AbortSignal): Promise<string>;
  /** Absent where there is nothing to call. */
  readonly procedures?: CallableSide;
  close(): void;
}

/** How to copy. */
export interface CopyOptions {
  /** Whole trees. */
  readonly recursive: boolean;
  readonly signal: AbortSignal;
}

/** The other side's procedures and devices. */
export interface CallableSide {
  names(signal: AbortSignal): Promise<readonly string[]>;
  call(procedure: string, args: JsonValue[], signal: AbortSignal): Promise<JsonValue>;
  /** Runs a program without input, its output as it comes; gives its exit code. */
  exec(command: readonly string[], signal: AbortSignal): Promise<number>;
  /** A table of the devices. */
  devices(signal: AbortSignal): Promise<string>;
}
