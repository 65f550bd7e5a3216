import { TetherError } from "../../protocol/errors.ts";
import type { CommandProfile, LineSettings, ParameterProfile, ValueSchema } from "../profile.ts";

/** Cc of Unicode, and its line and paragraph separators: no text parameter needs one, any could end a line. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The text of a command with its places for parameters. */
export class CommandTemplate {
  readonly #pieces: readonly string[];
  readonly #parameters: CommandProfile["parameters"];
  readonly #terminator: string;
  readonly #separators: string;
  /** Terminators in the text itself, which its author wanted there. */
  readonly #ownTerminators: number;

  /** @throws TetherError `invalid` when a place has no parameter or a parameter no place. */
  constructor(
    { send, parameters }: CommandProfile,
    { terminator, separators }: Pick<LineSettings, "terminator" | "separators">,
  ) {
    // Odd members are the names: split() keeps what the group caught.
    this.#pieces = send.split(/\{([A-Za-z_][A-Za-z0-9_]*)\}/);
    this.#parameters = parameters;
    this.#terminator = terminator;
    this.#separators = separators;
    const places = this.#pieces.filter((_, index) => index % 2 === 1);
    const texts = this.#pieces.filter((_, index) => index % 2 === 0);
    this.#ownTerminators = texts.reduce((sum, text) => sum + text.split(terminator).length - 1, 0);
    const strange = places.find((name) => !Object.hasOwn(parameters, name));
    if (strange !== undefined) {
      throw new TetherError("invalid", `send names {${strange}}, which is none of its parameters`);
    }
    const unused = Object.keys(parameters).find((name) => !places.includes(name));
    if (unused !== undefined) {
      throw new TetherError("invalid", `parameter ${unused} has no {${unused}} in send`);
    }
  }

  /**
   * The text to send, without the last terminator.
   *
   * @throws TetherError `invalid` when a value is not of its type or could smuggle in a second command.
   */
  render(args: { readonly [name: string]: unknown }): string {
    const text = this.#pieces
      .map((piece, index) => (index % 2 === 0 ? piece : this.#written(piece, args)))
      .join("");
    this.#requireOneLine(text);
    return text;
  }

  #written(name: string, args: { readonly [name: string]: unknown }): string {
    const schema = this.#parameters[name];
    const value = Object.hasOwn(args, name) ? args[name] : schema?.default;
    if (!schema || !isOfType(value, schema.type)) {
      throw new TetherError("invalid", `parameter ${name} has to be of type ${schema?.type}`);
    }
    const text = String(value);
    if (CONTROL.test(text) || text.includes(this.#terminator)) {
      const message = `parameter ${name} holds a control character or the line terminator`;
      throw new TetherError("invalid", `${message}; neither is allowed`);
    }
    if (schema.type === "string" && schema.quote !== undefined)
      return quoted(text, schema.quote, name, schema);
    const separator = [...text].find((character) => this.#separators.includes(character));
    if (separator === undefined || schema.type !== "string") return text;
    throw new TetherError("invalid", `parameter ${name} holds ${separator}, which begins another command`);
  }

  /** A terminator may also come about where a value meets what stands beside it. */
  #requireOneLine(text: string): void {
    const lines = (text + this.#terminator).split(this.#terminator);
    if (lines.length === this.#ownTerminators + 2 && lines.at(-1) === "") return;
    throw new TetherError("invalid", "the parameters make a line terminator with what stands beside them");
  }
}

function quoted(text: string, quote: string, name: string, schema: ParameterProfile): string {
  switch (schema.escape ?? "none") {
    case "double":
      return quote + text.replaceAll(quote, quote + quote) + quote;
    case "backslash":
      return quote + text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`) + quote;
    case "none":
      if (text.includes(quote) || text.includes("\\")) {
        const message = `parameter ${name} holds ${quote} or a backslash; neither is allowed in quotes`;
        throw new TetherError("invalid", message);
      }
      return quote + text + quote;
  }
}

function isOfType(value: unknown, type: ValueSchema["type"]): boolean {
  switch (type) {
    case "integer":
      return typeof value === "bigint" || Number.isSafeInteger(value);
    case "number":
      return typeof value === "bigint" || Number.isFinite(value);
    default:
      return typeof value === type;
  }
}
