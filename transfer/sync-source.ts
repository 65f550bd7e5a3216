import { closeSync, fstatSync, openSync, type Stats } from "node:fs";
import { FILES, TetherError, TRANSFER } from "../protocol/index.ts";
import { AnswerQueue } from "./answers.ts";
import {
  BlockSearch,
  inOrder,
  type Match,
  matchPieces,
  type Pieces,
  unmatched,
  unused,
} from "./difference.ts";
import { ContentDigest } from "./digest.ts";
import { entryError } from "./entry-error.ts";
import type { Exclusions } from "./exclusions.ts";
import type { Folder } from "./folder.ts";
import { type Listed, type ListedFolder, listedEntry, pathIn, readListed, readListing } from "./listing.ts";
import type { Progress } from "./progress.ts";
import { readRange, readWhole } from "./read-range.ts";
import { atLeast, type EntryFacts, endBody, errorBody, isSparse, RECORD, readU64 } from "./record.ts";
import type { SyncChoices } from "./requests.ts";
import { changeOf, type OpenSource, READ_FLAGS, type Sender, type Source } from "./send.ts";
import { blockBytes, PieceDigests, pieceBytes, type Range, SHORT_DIGEST } from "./signature.ts";
import { type PlannedAction, RANGES, type SyncItem, syncBody, syncType } from "./sync-record.ts";
import { Turn } from "./turn.ts";

/** Milliseconds by which two equal times may differ. */
const SAME_TIME = 0.002;
/** Bytes that a file is searched by at once. */
const SEARCH_BYTES = 1024 * 1024;

export interface SyncSourceOptions {
  readonly sender: Sender;
  /** Key of the digests. */
  readonly key: Buffer;
  readonly progress: Progress;
  readonly excluded: Exclusions;
  readonly choices: SyncChoices;
  /** Lets the receiver answer so many bytes more. */
  readonly consumed: (bytes: number) => void;
  /** Told in a dry run of what would be done. */
  readonly onPlan: (action: PlannedAction) => Promise<void> | undefined;
}

/** What the sending side of a sync knows in the end. */
export interface SyncCounts {
  /** Files that were equal. */
  readonly unchanged: number;
  /** True when nothing was removed because not all could be read. */
  readonly isIncomplete: boolean;
}

/** A folder of the source. */
interface FolderNode {
  readonly name: string;
  /** Below the top; empty for the top itself. */
  readonly path: string;
  readonly parent: FolderNode | undefined;
  readonly facts: EntryFacts;
}

/** A folder with what is in it; without a node it is the one file that is synced. */
interface Walked {
  readonly node: FolderNode | undefined;
  readonly entries: readonly Listed[];
}

type ListedFile = Extract<Listed, { kind: "file" }>;

/** A file that may have something in common with the one that it takes the place of. */
interface Comparison {
  readonly node: FolderNode | undefined;
  readonly file: ListedFile;
  readonly old: ListedFile;
}

/** What the source has not. */
interface Removal {
  readonly node: FolderNode;
  readonly names: readonly string[];
}

/**
 * The sending side of a sync: walks its own folders, asks for each what the receiver has there, and sends what is
 * different. It asks well ahead of what it compares, so that no folder waits for an answer to the one before.
 */
export class SyncSource {
  readonly #options: SyncSourceOptions;
  readonly #answers = new AnswerQueue();
  readonly #turn = new Turn();
  /** The folders that the records are in, from the top. */
  #entered: FolderNode[] = [];
  #comparisons: Comparison[] = [];
  readonly #removals: Removal[] = [];
  #removalBytes = 0;
  /** Files made from old ones, by their entries; those that are to come again. */
  readonly #based = new Map<number, Comparison>();
  readonly #again: Comparison[] = [];
  #bases = 0;
  /** The last piece of work that needs the records for itself. */
  #writing: Promise<unknown> = Promise.resolve();
  #flushing: NodeJS.Immediate | undefined;
  #source: (OpenSource & { readonly path: string }) | undefined;
  /** The folder of the source that was last gone to. */
  #last: { readonly path: string; readonly folder: Folder } | undefined;
  #unchanged = 0;
  #isIncomplete = false;

  constructor(options: SyncSourceOptions) {
    this.#options = options;
  }

  /** Takes in what the stream brought. Throws `invalid` or `limit` for what is no answer. */
  push(bytes: Buffer): void {
    this.#answers.push(bytes);
    this.#options.consumed(bytes.length);
  }

  /** The receiver could not make this entry from the old file. */
  again(entry: number): void {
    const comparison = this.#based.get(entry);
    this.#based.delete(entry);
    if (comparison !== undefined) this.#again.push(comparison);
  }

  /** Ends it; {@link run} rejects with the reason. */
  stop(reason: TetherError): void {
    this.#answers.fail(reason);
    this.#options.sender.stop(reason);
  }

  /**
   * Sends what is different; resolves once the last record is handed to the output.
   *
   * @throws TetherError what stands in the way of all of it
   */
  async run(source: Source): Promise<SyncCounts> {
    let opened: OpenSource;
    try {
      opened = source.open();
    } catch (error) {
      throw entryError("read", source.path, error);
    }
    this.#source = { ...opened, path: source.path };
    try {
      await this.#sync(opened, source.path);
    } finally {
      clearImmediate(this.#flushing);
      this.#leaveLast();
      opened.folder.close();
    }
    const isIncomplete = this.#options.choices.delete && this.#isIncomplete;
    await this.#write({ kind: "counts", unchanged: this.#unchanged, isIncomplete });
    this.#options.sender.flush();
    return { unchanged: this.#unchanged, isIncomplete };
  }

  async #sync({ folder, name, base }: OpenSource, path: string): Promise<void> {
    await this.#write({ kind: "begin", isFile: name !== "" });
    if (name === "") await this.#compareAll(folder);
    else await this.#compareFile(folder, name, base, path);
    await this.#compareContents();
    await this.#remove();
    await this.#goTo(undefined);
  }

  async #compareFile(folder: Folder, name: string, base: string, path: string): Promise<void> {
    let own: Listed;
    try {
      own = listedEntry(folder, name);
    } catch (error) {
      throw entryError("read", path, error);
    }
    const { answer } = await this.#ask({ kind: "list", path: base });
    await this.#compare({ node: undefined, entries: [{ ...own, name: base }] }, readListed(await answer));
  }

  async #compareAll(folder: Folder): Promise<void> {
    const { mode, mtimeMs: modified } = folder.stat();
    const top: FolderNode = { name: "", path: "", parent: undefined, facts: { mode, modified } };
    const walk = this.#walk(folder, top, 0);
    const ahead: { readonly walked: Walked; readonly answer: Promise<Buffer> }[] = [];
    let entries = 0;
    let isDone = false;
    try {
      for (;;) {
        while (!isDone && ahead.length < TRANSFER.foldersAhead && entries < TRANSFER.entriesAhead) {
          const { value } = await walk.next();
          if (value === undefined) {
            isDone = true;
            break;
          }
          const { answer } = await this.#ask({ kind: "list", path: value.node?.path ?? "" });
          ahead.push({ walked: value, answer });
          entries += value.entries.length;
        }
        const next = ahead.shift();
        if (next === undefined) break;
        entries -= next.walked.entries.length;
        await this.#compare(next.walked, readListed(await next.answer));
        if (this.#comparisons.length >= TRANSFER.comparisonsAhead) await this.#compareContents();
      }
    } finally {
      // It closes the folders that it is in.
      await walk.return(undefined);
    }
  }

  /** The folders of the source, each before those in it. */
  async *#walk(folder: Folder, node: FolderNode, depth: number): AsyncGenerator<Walked, undefined> {
    const path = this.#shown(node.path);
    const unreadable: unknown[] = [];
    let entries: Listed[];
    try {
      const options = {
        excluded: this.#options.excluded,
        turn: this.#turn,
        onUnreadable: (name: string, error: unknown) =>
          unreadable.push(entryError("read", pathIn(path, name), error)),
      };
      entries = await readListing(folder, node.path, options);
    } catch (error) {
      await this.#unreadable(entryError("read", path, error));
      return;
    }
    for (const error of unreadable) await this.#unreadable(error as TetherError);
    yield { node, entries };
    for (const one of entries) {
      if (one.kind !== "folder") continue;
      const inner: FolderNode = {
        name: one.name,
        path: pathIn(node.path, one.name),
        parent: node,
        facts: one,
      };
      if (depth >= FILES.depth) {
        const deep = `${this.#shown(inner.path)}: more than ${FILES.depth} folders inside each other`;
        await this.#unreadable(new TetherError("limit", deep));
        continue;
      }
      let entered: Folder;
      try {
        entered = folder.enter(one.name);
      } catch (error) {
        await this.#unreadable(entryError("read", this.#shown(inner.path), error));
        continue;
      }
      try {
        yield* this.#walk(entered, inner, depth + 1);
      } finally {
        entered.close();
      }
    }
  }

  async #compare({ node, entries }: Walked, there: ListedFolder): Promise<void> {
    if (node !== undefined) {
      if (there.state === "other" && node.parent === undefined) {
        throw new TetherError("exists", "the target is not a folder");
      }
      const isEqual = there.facts !== undefined && isSame(there.facts, node.facts);
      if (!isEqual && !(await this.#plan(there.facts === undefined ? "folder" : "set", node.path))) {
        await this.#goTo(node);
      }
    }
    const others = there.entries[Symbol.iterator]();
    let other = others.next().value as Listed | undefined;
    const removed: string[] = [];
    for (const own of entries) {
      while (other !== undefined && other.name < own.name) {
        removed.push(other.name);
        other = others.next().value as Listed | undefined;
      }
      const old: Listed | undefined = other?.name === own.name ? other : undefined;
      if (old !== undefined) other = others.next().value as Listed | undefined;
      await this.#compareEntry(node, own, old);
    }
    for (; other !== undefined; other = others.next().value as Listed | undefined) removed.push(other.name);
    if (node !== undefined && this.#options.choices.delete && removed.length > 0)
      this.#noteRemoval(node, removed);
  }

  async #compareEntry(node: FolderNode | undefined, own: Listed, old: Listed | undefined): Promise<void> {
    if (this.#turn.isOver) await this.#turn.rest();
    const path = pathIn(node?.path ?? "", own.name);
    switch (own.kind) {
      case "file":
        if (old?.kind === "file") await this.#compareFiles(node, own, old);
        else if (!(await this.#plan("send", path, own.size))) {
          if (old?.kind === "folder") await this.#clear(path);
          await this.#send(node, own.name);
        }
        return;
      case "folder":
        // What is in it is compared when its turn comes.
        if (old !== undefined && old.kind !== "folder" && !this.#options.choices.dryRun)
          await this.#clear(path);
        return;
      case "link":
        if (old?.kind === "link" && old.target === own.target) return;
        if (await this.#plan("link", path)) return;
        if (old?.kind === "folder") await this.#clear(path);
        await this.#goTo(node);
        await this.#options.sender.link(own.name, own.target);
        return;
      default:
        await this.#options.sender.fail(
          new TetherError("invalid", `${this.#shown(path)} is neither a file nor a folder`),
        );
    }
  }

  async #compareFiles(node: FolderNode | undefined, file: ListedFile, old: ListedFile): Promise<void> {
    const { checksum, dryRun } = this.#options.choices;
    const path = pathIn(node?.path ?? "", file.name);
    const isLikely = file.size === old.size && isSameTime(file, old);
    if (isLikely && !checksum) {
      this.#unchanged++;
      if (!isSame(file, old) && !(await this.#plan("set", path)))
        await this.#write({ kind: "set", facts: file, path });
      return;
    }
    const isLarge = file.size > TRANSFER.smallFile && old.size > TRANSFER.smallFile;
    if (file.size === old.size ? checksum || (isLarge && !dryRun) : isLarge && !dryRun) {
      this.#comparisons.push({ node, file, old });
    } else if (!(await this.#plan("update", path, file.size))) {
      await this.#send(node, file.name);
    }
  }

  /** Makes room for what is to have this name: removes a file, or a folder where that may be. */
  #clear(path: string): Promise<void> {
    return this.#write({ kind: "remove", isRecursive: this.#options.choices.delete, isReplaced: true, path });
  }

  async #send(node: FolderNode | undefined, name: string): Promise<void> {
    await this.#goTo(node);
    const path = this.#shown(pathIn(node?.path ?? "", name));
    const { sender } = this.#options;
    const { failures } = sender;
    try {
      const { folder, own } = this.#entry(node, name);
      await sender.file(folder, own, name, path);
      if (sender.failures > failures) this.#isIncomplete = true;
    } catch (error) {
      this.#options.sender.checkStopped();
      await this.#unreadable(entryError("read", path, error));
    }
  }

  /** Compares the files that are left by their content, several at once. */
  async #compareContents(): Promise<void> {
    const comparisons = this.#comparisons;
    this.#comparisons = [];
    const [small, large]: [Comparison[], Comparison[]] = [[], []];
    for (const one of comparisons) (one.file.size > TRANSFER.smallFile ? large : small).push(one);
    await this.#compareAtOnce(small, TRANSFER.comparisons);
    await this.#compareAtOnce(large, TRANSFER.largeComparisons);
    if (this.#based.size === 0) return;
    // Whether all could be made from the old ones is known when this is answered.
    await this.#settle();
    this.#based.clear();
    for (const { node, file } of this.#again.splice(0)) await this.#send(node, file.name);
  }

  async #compareAtOnce(comparisons: readonly Comparison[], most: number): Promise<void> {
    let next = 0;
    const workers = Array.from({ length: Math.min(most, comparisons.length) }, async () => {
      for (let one = comparisons[next++]; one !== undefined; one = comparisons[next++]) {
        await this.#compareContent(one);
      }
    });
    await Promise.all(workers).finally(() => Promise.allSettled(workers));
  }

  async #compareContent(one: Comparison): Promise<void> {
    const path = this.#shown(pathIn(one.node?.path ?? "", one.file.name));
    let descriptor: number;
    try {
      const { folder, own } = this.#entry(one.node, one.file.name);
      descriptor = openSync(folder.path(own), READ_FLAGS);
    } catch (error) {
      await this.#alone(() => this.#unreadable(entryError("read", path, error)));
      return;
    }
    const basis = this.#bases++;
    try {
      const facts = fstatSync(descriptor);
      if (!facts.isFile()) throw new TetherError("invalid", "it is not a file any more");
      await this.#compareWith(one, descriptor, facts, basis);
    } catch (error) {
      this.#options.sender.checkStopped();
      await this.#alone(() => this.#unreadable(entryError("read", path, error)));
    } finally {
      closeSync(descriptor);
    }
    await this.#alone(() => this.#write({ kind: "forget", basis }));
  }

  async #compareWith(one: Comparison, descriptor: number, facts: Stats, basis: number): Promise<void> {
    const { key } = this.#options;
    const { size } = facts;
    const path = pathIn(one.node?.path ?? "", one.file.name);
    const length = pieceBytes(size, one.old.size);
    const { answer } = await this.#ask({ kind: "pieces", basis, length, size, path });
    const whole = new ContentDigest(key, basis, "basis");
    const fromStart = new PieceDigests(key, 0, length);
    const toEnd = size === one.old.size ? undefined : new PieceDigests(key, size % length, length);
    const read = await readRange(descriptor, { from: 0, to: size }, (bytes) => {
      whole.update(bytes);
      fromStart.update(bytes);
      toEnd?.update(bytes);
    });
    const own: Pieces = { size, fromStart: fromStart.finish(), toEnd: toEnd?.finish() ?? Buffer.alloc(0) };
    const old = await answer.then(
      (bytes) => readPieces(bytes, length),
      () => undefined,
    );
    if (old === undefined || read !== size) {
      await this.#alone(async () => {
        // It has gone there, or changed here: that is found out, and said, where it is sent.
        if (!(await this.#plan("update", path, size))) await this.#send(one.node, one.file.name);
      });
      return;
    }
    const matches = matchPieces(own, old, length);
    const isEqual = size === old.size && (size === 0 || matches[0]?.length === size);
    if (!isEqual && (size > TRANSFER.smallFile || old.size > TRANSFER.smallFile)) {
      matches.push(...(await this.#searchBlocks(descriptor, basis, old.size, matches, size)));
    }
    await this.#alone(async () => {
      const set: EntryFacts = { mode: facts.mode, modified: facts.mtimeMs };
      if (isEqual) {
        this.#unchanged++;
        if (!isSame(set, one.old) && !(await this.#plan("set", path)))
          await this.#write({ kind: "set", facts: set, path });
      } else if (!(await this.#plan("update", path, size))) {
        await this.#sendBased(one, descriptor, facts, basis, inOrder(matches), whole.finish());
      }
    });
  }

  /** Looks in what no piece covers for blocks of what no piece takes. */
  async #searchBlocks(
    descriptor: number,
    basis: number,
    oldSize: number,
    matches: readonly Match[],
    size: number,
  ): Promise<Match[]> {
    const spare = unused(matches, oldSize);
    const gaps = unmatched(matches, size);
    const length = blockBytes(sum(spare));
    if (this.#options.choices.dryRun || Math.max(0, ...spare.map(({ from, to }) => to - from)) < length)
      return [];
    const answers: Promise<Buffer>[] = [];
    for (let first = 0; first < spare.length; first += RANGES) {
      const ranges = spare.slice(first, first + RANGES);
      const { answer } = await this.#ask({ kind: "blocks", basis, length, ranges });
      answers.push(answer);
    }
    let signatures: Buffer;
    try {
      signatures = Buffer.concat(await Promise.all(answers));
    } catch {
      this.#options.sender.checkStopped();
      return [];
    }
    const search = new BlockSearch(this.#options.key, length, spare, signatures);
    const found: Match[] = [];
    const part = Buffer.allocUnsafe(Math.max(SEARCH_BYTES, 4 * length));
    for (const { from, to } of gaps) {
      for (let at = from; to - at >= length; ) {
        const bytes = part.subarray(0, Math.min(part.length, to - at));
        const count = readWhole(descriptor, bytes, at);
        const done = search.search(bytes.subarray(0, count), at, (match) => found.push(match));
        if (done === 0) break;
        at += done;
        if (this.#turn.isOver) await this.#turn.rest();
        this.#options.sender.checkStopped();
      }
    }
    return found;
  }

  /** Sends a file as stretches of the old one and what is new between them. */
  async #sendBased(
    one: Comparison,
    descriptor: number,
    facts: Stats,
    basis: number,
    matches: readonly Match[],
    digest: Buffer,
  ): Promise<void> {
    const { sender, progress } = this.#options;
    const { name } = one.file;
    const { size, mode, mtimeMs: modified } = facts;
    const path = this.#shown(pathIn(one.node?.path ?? "", name));
    await this.#goTo(one.node);
    await this.#write({ kind: "based", basis });
    progress.begin(path, size);
    const entry = await sender.begin({ name, size, mode, modified, isSparse: isSparse(facts) });
    this.#based.set(entry, one);
    let at = 0;
    for (const match of [...matches, { at: size, from: 0, length: 0 }]) {
      if (match.at > at) {
        const count = await sender.content(descriptor, at, match.at);
        progress.advance(count);
        if (count < match.at - at) break;
      }
      if (match.length > 0) {
        await this.#write({ kind: "copy", from: match.from, length: match.length });
        progress.advance(match.length);
      }
      at = match.at + match.length;
    }
    const now = fstatSync(descriptor);
    const failure = changeOf(facts, now, at, path);
    if (failure === undefined) {
      await sender.write(RECORD.END, endBody(digest, now.size > size));
      progress.files++;
    } else {
      progress.undo();
      this.#based.delete(entry);
      this.#isIncomplete = true;
      await sender.write(RECORD.ABORT, errorBody(failure));
      sender.failed(failure);
    }
  }

  #noteRemoval(node: FolderNode, names: readonly string[]): void {
    const bytes = names.reduce((all, name) => all + name.length, node.path.length);
    // The rest is for the next sync.
    if (this.#removalBytes + bytes > TRANSFER.removals) return;
    this.#removalBytes += bytes;
    this.#removals.push({ node, names });
  }

  /** Removes what the source has not, once all else has its name. */
  async #remove(): Promise<void> {
    if (this.#removals.length === 0 || this.#isIncomplete) return;
    await this.#goTo(undefined);
    if (!this.#options.choices.dryRun) await this.#settle();
    for (const { node, names } of this.#removals) {
      for (const name of names) {
        const path = pathIn(node.path, name);
        if (!(await this.#plan("delete", path))) {
          await this.#write({ kind: "remove", isRecursive: true, isReplaced: false, path });
        }
      }
      // Removing has set the folder's time.
      if (!this.#options.choices.dryRun)
        await this.#write({ kind: "set", facts: node.facts, path: node.path });
    }
  }

  /** Waits until everything that was sent has its name there, or was refused. */
  async #settle(): Promise<void> {
    const { answer } = await this.#ask({ kind: "settle" });
    await answer;
  }

  /** In a dry run only says what would be done, and is true. */
  async #plan(action: PlannedAction["action"], path: string, bytes = 0): Promise<boolean> {
    if (!this.#options.choices.dryRun) return false;
    await this.#options.onPlan({ action, path, bytes });
    return true;
  }

  /** Brings the records into a folder, or to the top when it is none. */
  async #goTo(node: FolderNode | undefined): Promise<void> {
    const wanted: FolderNode[] = [];
    for (let one = node; one !== undefined; one = one.parent) wanted.unshift(one);
    let same = 0;
    while (same < wanted.length && wanted[same] === this.#entered[same]) same++;
    while (this.#entered.length > same) {
      this.#entered.pop();
      await this.#options.sender.leave();
    }
    for (const one of wanted.slice(same)) {
      await this.#options.sender.enter(one.name, one.facts);
      this.#entered.push(one);
    }
  }

  /** Something of the source that cannot be read: it is said, and nothing is removed. */
  async #unreadable(error: TetherError): Promise<void> {
    this.#isIncomplete = true;
    await this.#options.sender.fail(error);
  }

  #write(item: SyncItem): Promise<void> {
    return this.#options.sender.write(syncType(item), syncBody(item));
  }

  /** Asks; what is inside the result is answered later. */
  #ask(item: SyncItem): Promise<{ readonly answer: Promise<Buffer> }> {
    return this.#alone(async () => {
      await this.#write(item);
      const answer = this.#answers.next();
      this.#flushing ??= setImmediate(() => {
        this.#flushing = undefined;
        this.#options.sender.flush();
      });
      return { answer };
    });
  }

  /** Does one piece of work after the other: records of two would get mixed up. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(work);
    this.#writing = result.catch(() => undefined);
    return result;
  }

  /** Where a file of the source lies, and what it is called there. */
  #entry(node: FolderNode | undefined, name: string): { readonly folder: Folder; readonly own: string } {
    const source = this.#source;
    if (source === undefined) throw new TetherError("internal", "a sync without a source");
    // The one file may be called otherwise on the other side.
    if (node === undefined) return { folder: source.folder, own: source.name };
    if (this.#last?.path === node.path) return { folder: this.#last.folder, own: name };
    this.#leaveLast();
    let folder: Folder = source.folder;
    try {
      for (const one of node.path === "" ? [] : node.path.split("/")) {
        const inner = folder.enter(one);
        if (folder !== source.folder) folder.close();
        folder = inner;
      }
    } catch (error) {
      if (folder !== source.folder) folder.close();
      throw error;
    }
    this.#last = { path: node.path, folder };
    return { folder, own: name };
  }

  #leaveLast(): void {
    if (this.#last !== undefined && this.#last.folder !== this.#source?.folder) this.#last.folder.close();
    this.#last = undefined;
  }

  /** A path as people know it. */
  #shown(path: string): string {
    const top = this.#source?.path ?? "";
    if (this.#source?.name !== "" || path === "") return top;
    return top === "" || top.endsWith("/") ? top + path : `${top}/${path}`;
  }
}

function readPieces(answer: Buffer, length: number): Pieces {
  atLeast(answer, 8);
  const size = readU64(answer, 0);
  const end = 8 + Math.ceil(size / length) * SHORT_DIGEST;
  atLeast(answer, end);
  return { size, fromStart: answer.subarray(8, end), toEnd: answer.subarray(end) };
}

function isSameTime(a: EntryFacts, b: EntryFacts): boolean {
  return Math.abs(a.modified - b.modified) <= SAME_TIME;
}

function isSame(a: EntryFacts, b: EntryFacts): boolean {
  return isSameTime(a, b) && (a.mode & 0o777) === (b.mode & 0o777);
}

function sum(ranges: readonly Range[]): number {
  return ranges.reduce((bytes, { from, to }) => bytes + to - from, 0);
}
