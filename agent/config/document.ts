import { type Document, Lexer, LineCounter, type ParsedNode, parseDocument, type YAMLError } from "yaml";
import { CONFIGURATION } from "../../protocol/index.ts";
import type { Mistake } from "./mistake.ts";
import { formatSize } from "./quantities.ts";

/** A YAML text that could be read, or the mistakes of its syntax. */
export type ParsedText =
  | { readonly ok: true; readonly document: Document.Parsed<ParsedNode>; readonly lines: LineCounter }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/**
 * Parses one YAML 1.2.2 document, keeping every node's place. Never throws: a text that is too large, nested
 * too deeply or not YAML gives its mistakes, at most one a line.
 */
export function parseText(text: string): ParsedText {
  if (Buffer.byteLength(text) > CONFIGURATION.fileBytes) return refused([tooLarge()]);
  const depth = tooDeep(text);
  if (depth !== undefined) return refused([depth]);

  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // The parser compares each key with all before it; the walk does it with a set, where the place is known.
    uniqueKeys: false,
    version: "1.2",
  });
  const mistakes = new Map<number, Mistake>();
  const add = (offset: number, message: string): void => {
    const { line, col } = lines.linePos(offset);
    // What follows on the same line comes from the parser having lost its way.
    if (!mistakes.has(line)) mistakes.set(line, { line, column: col, message });
  };
  for (const error of [...document.errors, ...document.warnings]) add(error.pos[0], explain(error));
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== "1.2") {
    add(0, `this is YAML ${document.directives.yaml.version}, allowed: YAML 1.2`);
  }
  return mistakes.size === 0
    ? { ok: true, document, lines }
    : refused([...mistakes.values()].slice(0, CONFIGURATION.mistakes));
}

/** The mistake of a file over the bound. */
export function tooLarge(): Mistake {
  const most = formatSize(CONFIGURATION.fileBytes);
  return { line: 1, column: 1, message: `the file is too large, allowed: up to ${most}` };
}

function refused(mistakes: readonly Mistake[]): ParsedText {
  return { ok: false, mistakes };
}

/**
 * Looks for deep nesting before the parser does, which recurses: near the end of the stack it can end the
 * whole process, when the engine then compiles a regular expression.
 */
function tooDeep(text: string): Mistake | undefined {
  let [line, column, brackets, dashes] = [1, 1, 0, 0];
  let lineStart = true;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") brackets += 1;
    else if (token === "]" || token === "}") brackets = Math.max(0, brackets - 1);
    else if (token === "-" || token === "?") dashes += 1;
    const indented = lineStart && /^[ \t]+$/.test(token) && token.length > CONFIGURATION.indentation;
    if (brackets > CONFIGURATION.depth || dashes > CONFIGURATION.depth || indented) {
      const most = `${CONFIGURATION.depth} brackets or dashes, or ${CONFIGURATION.indentation} columns`;
      return { line, column, message: `nested too deeply, allowed: up to ${most}` };
    }
    const newlines = token.split("\n").length - 1;
    if (newlines > 0) {
      line += newlines;
      column = token.length - token.lastIndexOf("\n");
      dashes = 0;
      lineStart = true;
    } else if (!/^[\u0002\u0018\u001f\ufeff]$/.test(token)) {
      // The lexer's own marks take no room in the text.
      column += token.length;
      lineStart = false;
    }
  }
  return undefined;
}

/** The parser's message, with what is allowed where it does not say so itself. */
function explain(error: YAMLError): string {
  switch (error.code) {
    case "MULTIPLE_DOCS":
      return "a second document starts here, allowed: one document, without `---` after its start";
    case "TAB_AS_INDENT":
      return "a tab indents this line, allowed: spaces";
    case "TAG_RESOLVE_FAILED":
      return "an unknown tag, allowed: no tag, or !!str !!int !!float !!bool !!null !!seq !!map";
    case "BAD_DIRECTIVE":
      return "an unknown directive, allowed: %YAML 1.2";
    case "BAD_SCALAR_START":
      return "a plain text cannot start with this character, allowed: the same in quotes";
    case "BAD_DQ_ESCAPE":
      return 'an unknown escape in double quotes, allowed: \\n \\r \\t \\\\ \\" \\xNN \\uNNNN, or single quotes';
    case "BLOCK_AS_IMPLICIT_KEY":
      return "a second `: ` on one line, allowed: a value with `: ` in quotes";
    case "MULTILINE_IMPLICIT_KEY":
      return "a key without `:`, or a value that goes on here without indentation, allowed: `key: value`";
    default: {
      const text = error.message.replaceAll(/\s+/g, " ").slice(0, 200);
      return `not YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
    }
  }
}
