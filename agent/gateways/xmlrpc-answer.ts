import { CALLS, errorToRpc, type JsonObject, type JsonValue, TetherError } from "../../protocol/index.ts";
import type { Schema } from "../procedures/index.ts";
import { escapeXml, isXmlText } from "./xml-reader.ts";
import type { TextType } from "./xmlrpc-call.ts";

const HEAD = "<?xml version='1.0'?>\n";

/** What decides how a text is written: what the call brought, and what the procedure says of its result. */
export interface AnswerTypes {
  readonly types: ReadonlyMap<string, TextType>;
  readonly schema: Schema;
}

/**
 * Writes a `methodResponse`.
 *
 * @throws TetherError `invalid` for what XML-RPC cannot carry: an integer of more than 64 bits, a character
 * that XML does not have; `limit` for a result that is too long
 */
export function writeAnswer(result: JsonValue, types: AnswerTypes): string {
  return answerOf(writeValue(result, types));
}

/** The answers of a multicall: each with its own types, a fault in the place of one that cannot be carried. */
export function writeAnswers(results: readonly JsonValue[], types: readonly AnswerTypes[]): string {
  const values = results.map((result, index) => {
    const own = types[index] ?? { types: new Map(), schema: {} };
    try {
      return writeValue(result, { ...own, schema: { items: own.schema } });
    } catch (thrown) {
      return faultValue(errorToRpc(thrown as TetherError));
    }
  });
  return answerOf(`<value><array><data>${values.join("")}</data></array></value>`);
}

/** Writes a fault; it can carry any message. */
export function writeFault(fault: { readonly code: number; readonly message: string }): string {
  return `${HEAD}<methodResponse><fault>${faultValue(fault)}</fault></methodResponse>\n`;
}

function answerOf(value: string): string {
  const answer = `${HEAD}<methodResponse><params><param>${value}</param></params></methodResponse>\n`;
  if (3 * answer.length <= CALLS.resultBytes || Buffer.byteLength(answer) <= CALLS.resultBytes) return answer;
  throw new TetherError("limit", `the result has more than ${CALLS.resultBytes} bytes`);
}

function faultValue({ code, message }: { readonly code: number; readonly message: string }): string {
  const text = [...message].map((character) => (isXmlText(character) ? character : "\ufffd")).join("");
  return writeValue({ faultCode: code, faultString: text }, { types: new Map(), schema: {} });
}

function writeValue(value: JsonValue, types: AnswerTypes): string {
  return `<value>${writeTyped(value, types)}</value>`;
}

function writeTyped(value: JsonValue, types: AnswerTypes): string {
  switch (typeof value) {
    case "string":
      return writeText(value, types);
    case "boolean":
      return `<boolean>${value ? 1 : 0}</boolean>`;
    case "number":
      return Number.isSafeInteger(value) ? writeInteger(BigInt(value)) : `<double>${decimal(value)}</double>`;
    case "bigint":
      return writeInteger(value);
    default:
      if (value === null) return "<nil/>";
      return Array.isArray(value) ? writeArray(value, types) : writeStruct(value, types);
  }
}

function writeInteger(value: bigint): string {
  if (BigInt.asIntN(32, value) === value) return `<int>${value}</int>`;
  if (BigInt.asIntN(64, value) === value) return `<i8>${value}</i8>`;
  throw new TetherError(
    "invalid",
    "the result has an integer of more than 64 bits, which XML-RPC cannot carry",
    {
      hint: "ask over JSON-RPC, which has no such bound",
    },
  );
}

function writeText(value: string, { types, schema }: AnswerTypes): string {
  const type = types.get(value) ?? typeIn(schema);
  if (type === "base64") return `<base64>${escapeXml(value)}</base64>`;
  if (type === "dateTime.iso8601") {
    const date = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(value);
    if (date !== null) return `<dateTime.iso8601>${date.slice(1, 4).join("")}T${date[4]}</dateTime.iso8601>`;
  }
  if (!isXmlText(value)) {
    throw new TetherError("invalid", "the result has a character that XML cannot carry");
  }
  return `<string>${escapeXml(value)}</string>`;
}

function typeIn({ contentEncoding, format }: Schema): TextType | undefined {
  if (contentEncoding === "base64") return "base64";
  return format === "date-time" ? "dateTime.iso8601" : undefined;
}

function writeArray(members: readonly JsonValue[], { types, schema }: AnswerTypes): string {
  const inner = { types, schema: schemaIn(schema.items) };
  return `<array><data>${members.map((member) => writeValue(member, inner)).join("")}</data></array>`;
}

function writeStruct(members: JsonObject, { types, schema }: AnswerTypes): string {
  const properties = schemaIn(schema.properties);
  const written = Object.entries(members).map(([name, member]) => {
    if (!isXmlText(name)) throw new TetherError("invalid", "the result has a name that XML cannot carry");
    const inner = { types, schema: schemaIn(Object.hasOwn(properties, name) ? properties[name] : undefined) };
    return `<member><name>${escapeXml(name)}</name>${writeValue(member, inner)}</member>`;
  });
  return `<struct>${written.join("")}</struct>`;
}

function schemaIn(value: JsonValue | undefined): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** A double without an exponent, which XML-RPC does not have. */
function decimal(value: number): string {
  const [, sign = "", whole = "", fraction = "", exponent] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  const shift = Number(exponent ?? 0);
  const digits = whole + fraction;
  const point = whole.length + shift;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  const padded = digits.padEnd(point, "0");
  return `${sign}${padded.slice(0, point)}.${padded.slice(point) || "0"}`;
}
