import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import type { CommandProfile, ValueSchema } from "../profile.ts";

/** Cc of Unicode, and its line and paragraph separators: no text parameter needs one, any could end a line. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The text of a command with its places for parameters. */
export class CommandTemplate {
  readonly #pieces: readonly string[];
  readonly #parameters: CommandProfile["parameters"];
  readonly #terminator: string;

  /** @throws TetherError `invalid` when a place has no parameter or a parameter no place. */
  constructor({ send, parameters }: CommandProfile, terminator: string) {
    // Odd members are the names: split() keeps what the group caught.
    this.#pieces = send.split(/\{([A-Za-z_][A-Za-z0-9_]*)\}/);
    this.#parameters = parameters;
    this.#terminator = terminator;
    const places = this.#pieces.filter((_, index) => index % 2 === 1);
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
   * The bytes to send, terminator included.
   *
   * @throws TetherError `invalid` when a value is not of its type or could smuggle in a second command.
   */
  render(args: { readonly [name: string]: unknown }): Uint8Array {
    const text = this.#pieces.map((piece, index) => (index % 2 === 0 ? piece : this.#written(piece, args)));
    const bytes = Buffer.from(text.join("") + this.#terminator, "utf8");
    if (bytes.length > SERIAL.unit) {
      throw new TetherError("invalid", `a command of ${bytes.length} bytes; ${SERIAL.unit} are allowed`);
    }
    return bytes;
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
    return text;
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
