import { isUtf8 } from "node:buffer";
import { JSON_TEXT, type JsonObject, type JsonValue, TetherError } from "../../protocol/index.ts";
import { XmlReader } from "./xml-reader.ts";

/** Types of XML-RPC that are texts in JSON. */
export type TextType = "base64" | "dateTime.iso8601";

/** One call as XML-RPC has it. */
export interface XmlRpcCall {
  readonly method: string;
  readonly params: JsonValue[];
  /** What came as something else than a text, so that it goes back as what it was. */
  readonly types: ReadonlyMap<string, TextType>;
}

/**
 * Text of a document: by its byte order mark, the charset of the request, or what it says of itself, else
 * UTF-8 (RFC 7303 §3.2). Throws `invalid` for another encoding and for what is not in it.
 */
export function decodeXml(body: Buffer, charset: string | undefined): string {
  if (body[0] === 0xff && body[1] === 0xfe) return decodeUtf16("utf-16le", body);
  if (body[0] === 0xfe && body[1] === 0xff) return decodeUtf16("utf-16be", body);
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;
  const declared = /^<\?xml\s[^>]{0,64}?\sencoding\s*=\s*["']([\w.-]+)["']/.exec(
    body.subarray(0, 128).toString("latin1"),
  )?.[1];
  const encoding = hasMark ? "utf-8" : (charset ?? declared ?? "utf-8").toLowerCase();
  switch (encoding) {
    case "utf-8":
    case "utf8":
    case "us-ascii":
    case "ascii":
      if (!isUtf8(body)) throw new TetherError("invalid", `the body is not ${encoding}`);
      return body.toString("utf8", hasMark ? 3 : 0);
    case "iso-8859-1":
    case "latin1":
      return body.toString("latin1");
    default:
      throw new TetherError("invalid", `the encoding ${encoding}; allowed: utf-8, utf-16, iso-8859-1`);
  }
}

/**
 * Reads a `methodCall`.
 *
 * @throws TetherError `invalid` for what is no XML or no call; `limit` for nesting or an integer over the bounds
 */
export function readCall(document: string): XmlRpcCall {
  return new CallReader(document).call();
}

/** Strings of digits that are safe to convert at once. */
const SMALL_INTEGER = /^[+-]?\d{1,15}$/;
const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const DATE = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

class CallReader {
  readonly #xml: XmlReader;
  readonly #types = new Map<string, TextType>();
  #depth = 0;

  constructor(document: string) {
    this.#xml = new XmlReader(document);
  }

  call(): XmlRpcCall {
    this.#expectOpen("methodCall");
    this.#expectOpen("methodName");
    const method = this.#textTo("methodName").trim();
    const params: JsonValue[] = [];
    if (this.#opens("params", "methodCall")) {
      while (this.#opens("param", "params")) {
        this.#expectOpen("value");
        params.push(this.#value());
        this.#expectClose("param");
      }
      this.#expectClose("methodCall");
    }
    if (this.#xml.next() !== undefined) throw unexpected("something behind methodCall");
    return { method, params, types: this.#types };
  }

  /** The value whose tag has been read, to the end of its element. */
  #value(): JsonValue {
    let text = "";
    for (;;) {
      const part = this.#xml.next();
      if (part?.kind === "text") text += part.text;
      else if (part?.kind === "close") return text;
      else if (part?.kind === "open" && text.trim() === "") {
        const value = this.#typed(part.name);
        this.#expectClose("value");
        return value;
      } else throw unexpected("text beside a type in a value");
    }
  }

  #typed(type: string): JsonValue {
    // Apache's extensions have a name space, and their usual prefix.
    switch (type.replace(/^ex:/, "")) {
      case "i1":
      case "i2":
      case "i4":
      case "int":
      case "i8":
      case "biginteger":
        return integerOf(this.#textTo(type).trim());
      case "double":
      case "float":
        return doubleOf(this.#textTo(type).trim());
      case "boolean":
        return booleanOf(this.#textTo(type).trim());
      case "string":
        return this.#textTo(type);
      case "base64":
        return this.#kept(base64Of(this.#textTo(type)), "base64");
      case "dateTime.iso8601":
        return this.#kept(dateOf(this.#textTo(type).trim()), "dateTime.iso8601");
      case "nil":
        if (this.#textTo(type).trim() !== "") throw unexpected("something in nil");
        return null;
      case "array":
        return this.#nested(() => this.#array());
      case "struct":
        return this.#nested(() => this.#struct());
      default:
        throw unexpected(`the type ${JSON.stringify(type.slice(0, 40))}`);
    }
  }

  #array(): JsonValue {
    const members: JsonValue[] = [];
    this.#expectOpen("data");
    while (this.#opens("value", "data")) members.push(this.#value());
    this.#expectClose("array");
    return members;
  }

  #struct(): JsonValue {
    const members: [string, JsonValue][] = [];
    while (this.#opens("member", "struct")) {
      this.#expectOpen("name");
      const name = this.#textTo("name");
      this.#expectOpen("value");
      members.push([name, this.#value()]);
      this.#expectClose("member");
    }
    // As own properties, whatever their names.
    return Object.fromEntries(members) as JsonObject;
  }

  #nested(read: () => JsonValue): JsonValue {
    if (++this.#depth > JSON_TEXT.depth) {
      throw new TetherError("limit", `more than ${JSON_TEXT.depth} arrays or structures inside each other`);
    }
    const value = read();
    this.#depth--;
    return value;
  }

  #kept(text: string, type: TextType): string {
    this.#types.set(text, type);
    return text;
  }

  /** Text up to the end of the element that is open. */
  #textTo(name: string): string {
    let text = "";
    for (;;) {
      const part = this.#xml.next();
      if (part?.kind === "text") text += part.text;
      else if (part?.kind === "close") return text;
      else throw unexpected(`an element in ${name}`);
    }
  }

  /** True when `name` opens next, false when `around` closes. */
  #opens(name: string, around: string): boolean {
    const part = this.#tag();
    if (part?.kind === "open" && part.name === name) return true;
    if (part?.kind === "close" && part.name === around) return false;
    throw unexpected(`${part?.name ?? "the end"} in ${around}, where ${name} is allowed`);
  }

  #expectOpen(name: string): void {
    const part = this.#tag();
    if (part?.kind !== "open" || part.name !== name) {
      throw unexpected(`${part?.name.slice(0, 40) ?? "the end"} where ${name} is due`);
    }
  }

  #expectClose(name: string): void {
    const part = this.#tag();
    if (part?.kind !== "close")
      throw unexpected(`${part?.name.slice(0, 40)} where the end of ${name} is due`);
  }

  /** The next tag; only white space may stand before it. */
  #tag() {
    const part = this.#xml.next();
    if (part?.kind !== "text") return part;
    if (part.text.trim() !== "") throw unexpected("text between elements");
    const tag = this.#xml.next();
    return tag?.kind === "text" ? undefined : tag;
  }
}

function decodeUtf16(encoding: "utf-16le" | "utf-16be", body: Buffer): string {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(body);
  } catch (error) {
    throw new TetherError("invalid", `the body is not ${encoding}`, { cause: error });
  }
}

function integerOf(text: string): number | bigint {
  if (SMALL_INTEGER.test(text)) return Number(text);
  if (!/^[+-]?\d+$/.test(text)) throw unexpected(`${JSON.stringify(text.slice(0, 40))} as an integer`);
  if (text.length > JSON_TEXT.integerDigits) {
    throw new TetherError("limit", `an integer of more than ${JSON_TEXT.integerDigits} digits`);
  }
  const value = BigInt(text.replace("+", ""));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function doubleOf(text: string): number {
  const value = DOUBLE.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  throw unexpected(`${JSON.stringify(text.slice(0, 40))} as a double`);
}

function booleanOf(text: string): boolean {
  if (text === "1" || text === "0") return text === "1";
  throw unexpected(`${JSON.stringify(text.slice(0, 40))} as a boolean`);
}

function base64Of(text: string): string {
  const value = text.replace(/\s+/g, "");
  if (BASE64.test(value)) return value;
  throw unexpected("something that is no base64");
}

/** As ISO 8601 has it in its longer form; XML-RPC leaves the dashes out. */
function dateOf(text: string): string {
  const [, year, month, day, hour, minute, second, fraction = "", zone = ""] = DATE.exec(text) ?? [];
  if (year !== undefined) return `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}${zone}`;
  throw unexpected(`${JSON.stringify(text.slice(0, 40))} as a time`);
}

function unexpected(what: string): TetherError {
  return new TetherError("invalid", `this is no call of XML-RPC: ${what}`);
}
