import { GATEWAYS, TetherError } from "../../protocol/index.ts";

/** What stands next in a document: the beginning or the end of an element, or text between two of those. */
export type XmlPart =
  | { readonly kind: "open" | "close"; readonly name: string }
  | { readonly kind: "text"; readonly text: string };

/** XML 1.0 §2.2: characters that no document has, not even by reference. */
const NO_CHARACTER = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Cs}/u;
const NAME = /[A-Za-z_:\u0080-\ud7ff][\w.:\u0080-\ud7ff-]*/y;
const ATTRIBUTE = /\s+[A-Za-z_:][\w.:-]*\s*=\s*(?:"[^<"]*"|'[^<']*')/y;
const SPACE = /\s*/y;
const [EXCLAMATION, SLASH, QUESTION] = [0x21, 0x2f, 0x3f];
const ENTITIES: { readonly [name: string]: string } = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Reads an XML 1.0 document part by part, without building anything from it. There are no document types, and
 * so no entities but the five of the standard: nothing in a document is longer than what was sent. Attributes,
 * comments and processing instructions are passed over.
 */
export class XmlReader {
  readonly #text: string;
  readonly #open: string[] = [];
  #at = 0;
  /** The element that a tag like `<nil/>` has opened, and that ends next. */
  #empty = false;
  /** The root element has ended. */
  #done = false;

  /** Throws `invalid` for characters that XML does not have. */
  constructor(document: string) {
    const bad = NO_CHARACTER.exec(document);
    if (bad !== null) throw mistake("a character that XML does not have", bad.index);
    // §2.11
    this.#text = document.includes("\r") ? document.replace(/\r\n?/g, "\n") : document;
    if (/^<\?xml\s/.test(this.#text)) this.#skipPast("?>", "an XML declaration");
  }

  /**
   * The next part; undefined at the end of the document.
   *
   * @throws TetherError `invalid` with the place (characters count from 1) for what is not well-formed, and for
   * a document type; `limit` for elements nested deeper than `GATEWAYS.xmlDepth`
   */
  next(): XmlPart | undefined {
    if (this.#empty) return this.#close();
    let text = "";
    for (;;) {
      const tag = this.#text.indexOf("<", this.#at);
      const end = tag < 0 ? this.#text.length : tag;
      if (end > this.#at) text += this.#resolved(this.#at, end);
      this.#at = end;
      const mark = this.#text.charCodeAt(end + 1);
      if (mark !== EXCLAMATION && mark !== QUESTION) break;
      if (this.#text.startsWith("<!--", end)) this.#skipPast("-->", "a comment");
      else if (this.#text.startsWith("<![CDATA[", end)) {
        const start = end + 9;
        this.#skipPast("]]>", "a CDATA section");
        text += this.#text.slice(start, this.#at - 3);
      } else if (mark === QUESTION) this.#skipPast("?>", "a processing instruction");
      else break;
    }
    if (this.#open.length === 0) {
      if (text.trim() !== "") throw mistake("text outside of the document's element", this.#at);
    } else if (text !== "") return { kind: "text", text };
    if (this.#at < this.#text.length) return this.#tag();
    if (!this.#done) throw mistake("the document ends too early", this.#at);
    return undefined;
  }

  #tag(): XmlPart {
    const start = this.#at;
    const mark = this.#text.charCodeAt(start + 1);
    if (mark === EXCLAMATION) throw mistake("a document type, which is not allowed", start);
    if (mark === SLASH) {
      this.#at += 2;
      const name = this.#match(NAME);
      if (this.#text[this.#at] !== ">") this.#match(SPACE);
      if (name === "" || name !== this.#open.at(-1) || this.#text[this.#at] !== ">") {
        throw mistake(`an end of ${this.#open.at(-1) ?? "an element"} was due`, start);
      }
      this.#at++;
      return this.#close();
    }
    this.#at++;
    const name = this.#match(NAME);
    if (name === "" || this.#done) throw mistake("a tag that is none", start);
    if (this.#text[this.#at] !== ">") {
      while (this.#match(ATTRIBUTE) !== "");
      this.#match(SPACE);
    }
    this.#empty = this.#text[this.#at] === "/";
    if (this.#empty) this.#at++;
    if (this.#text[this.#at] !== ">") throw mistake(`the tag of ${name} does not end`, start);
    this.#at++;
    if (this.#open.push(name) > GATEWAYS.xmlDepth) {
      throw new TetherError("limit", `more than ${GATEWAYS.xmlDepth} elements inside each other`);
    }
    return { kind: "open", name };
  }

  #close(): XmlPart {
    const name = this.#open.pop() ?? "";
    this.#empty = false;
    this.#done = this.#open.length === 0;
    return { kind: "close", name };
  }

  /** Text with its references resolved (§4.1). */
  #resolved(start: number, end: number): string {
    const text = this.#text.slice(start, end);
    if (!text.includes("&")) return text;
    return text.replace(/&(?:#(x[0-9a-fA-F]{1,6}|\d{1,7})|(\w{1,4}));|&/g, (whole, number, name, at) => {
      const found = number === undefined ? ENTITIES[name as string] : characterOf(number as string);
      if (found === undefined) throw mistake(`${whole}, which is no character`, start + (at as number));
      return found;
    });
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #skipPast(end: string, what: string): void {
    const found = this.#text.indexOf(end, this.#at);
    if (found < 0) throw mistake(`${what} that does not end`, this.#at);
    this.#at = found + end.length;
  }
}

/** True when XML can hold a text (§2.2). */
export function isXmlText(text: string): boolean {
  return !NO_CHARACTER.test(text);
}

/** A text as the content of an element. */
export function escapeXml(text: string): string {
  // A carriage return would be read as a newline.
  return text.replace(/[&<>\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function characterOf(number: string): string | undefined {
  const code = Number(number.startsWith("x") ? `0${number}` : number);
  if (code > 0x10ffff) return undefined;
  const character = String.fromCodePoint(code);
  return isXmlText(character) ? character : undefined;
}

function mistake(what: string, at: number): TetherError {
  return new TetherError("invalid", `XML, character ${at + 1}: ${what}`);
}
