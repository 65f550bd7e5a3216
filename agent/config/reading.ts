import { type Alias, type Document, isAlias, type LineCounter, type ParsedNode } from "yaml";
import { CONFIGURATION } from "../../protocol/index.ts";
import type { Mistake } from "./mistake.ts";

/** Where something stands in the file, from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A node of the document with its aliases resolved. */
export type Content = Exclude<ParsedNode, Alias.Parsed>;

/**
 * One walk over a parsed document: the place of every value that was read, by its path
 * (`devices[0].serial.path`), and the mistakes found so far.
 */
export class Reading {
  private readonly document: Document.Parsed<ParsedNode>;
  private readonly lines: LineCounter;
  private readonly places = new Map<string, { readonly key: number; readonly value: number }>();
  private readonly found: Mistake[] = [];
  private aliases = 0;

  constructor(document: Document.Parsed<ParsedNode>, lines: LineCounter) {
    this.document = document;
    this.lines = lines;
  }

  /** The mistakes so far, in the order they were found. */
  get mistakes(): readonly Mistake[] {
    return this.found;
  }

  /** Remembers where `path` stands: the offset of its key (of the value where it has none) and of its value. */
  place(path: string, key: number, value: number): void {
    this.places.set(path, { key, value });
  }

  /** True when the file says anything at `path`, right or wrong. */
  has(path: string): boolean {
    return this.places.has(path);
  }

  /** Where `path` stands, or the nearest of its parents that does. */
  positionOf(path: string, at: "key" | "value" = "value"): Position {
    for (let here = path; here !== ""; here = here.replace(/(^|[.[])[^.[]*$/, "")) {
      const place = this.places.get(here);
      if (place !== undefined) return this.positionAt(place[at]);
    }
    return { line: 1, column: 1 };
  }

  /** Notes a mistake at `path`; `says` goes on after the path. */
  mistake(path: string, says: string, at: "key" | "value" = "value"): void {
    this.note(this.positionOf(path, at), path, says);
  }

  /** Notes a mistake at an offset of the text. */
  mistakeAt(offset: number, path: string, says: string): void {
    this.note(this.positionAt(offset), path, says);
  }

  /** What an alias stands for; undefined, with a mistake, where there is no such anchor or one alias too many. */
  resolve(node: ParsedNode, path: string): Content | undefined {
    if (!isAlias(node)) return node;
    this.aliases += 1;
    if (this.aliases > CONFIGURATION.aliases) {
      // Once: each further one would say the same of another place.
      if (this.aliases === CONFIGURATION.aliases + 1) {
        const most = `up to ${CONFIGURATION.aliases} uses of aliases`;
        this.mistakeAt(node.range[0], path, `is one alias too many, allowed: ${most}`);
      }
      return undefined;
    }
    const target = node.resolve(this.document) as Content | undefined;
    if (target === undefined) {
      this.mistakeAt(
        node.range[0],
        path,
        `is the alias *${node.source.slice(0, 60)}, which nothing has as its anchor`,
      );
    }
    return target;
  }

  private positionAt(offset: number): Position {
    const { line, col } = this.lines.linePos(offset);
    return { line, column: col };
  }

  private note(position: Position, path: string, says: string): void {
    if (this.found.length >= CONFIGURATION.mistakes) return;
    const last = this.found.length === CONFIGURATION.mistakes - 1;
    const message = last
      ? "more mistakes than are shown"
      : `${path === "" ? "the configuration" : path} ${says}`;
    this.found.push({ ...position, message });
  }
}
