import { nearest, PROCEDURES, TetherError } from "../../protocol/index.ts";
import type { Numeric } from "./exact-arithmetic.ts";
import * as exact from "./exact-arithmetic.ts";

/**
 * Calculates an arithmetic expression: `+ - * / // % **`, parentheses, numbers, `pi`, `e`, `tau` and
 * functions. Precedence and signs are Python's: `-2**2` is -4, `2**3**2` is 512, `%` takes the divisor's sign.
 * Integers are exact; a division that leaves something over, a fraction or a function of angles gives doubles.
 *
 * @throws TetherError `invalid` with the place (characters count from 1); `limit` for too long, too deep, too
 * many operations or too many digits.
 */
export function evaluate(text: string): Numeric {
  if (text.length > PROCEDURES.expression) {
    throw new TetherError("limit", `an expression has at most ${PROCEDURES.expression} characters`);
  }
  return new Calculation(text).result();
}

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|0[bB][01]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|([A-Za-z_][A-Za-z_0-9]*)|(\*\*|\/\/|[-+*/%(),]))/y;

/** One pass over the text: what a rule reads it calculates at once. */
class Calculation {
  private readonly text: string;
  /** Where the token in hand begins, and where the next one will be looked for. */
  private at = 0;
  private next = 0;
  private token = "";
  private kind: "number" | "name" | "operator" | "end" = "end";
  private depth = 0;
  private operations = 0;

  constructor(text: string) {
    this.text = text;
    this.advance();
  }

  result(): Numeric {
    const value = this.sum();
    if (this.kind !== "end") throw this.unexpected("an operator or the end");
    return value;
  }

  private sum(): Numeric {
    let value = this.product();
    for (;;) {
      const at = this.at;
      if (this.accept("+")) value = this.apply(at, exact.add, value, this.product());
      else if (this.accept("-")) value = this.apply(at, subtract, value, this.product());
      else return value;
    }
  }

  private product(): Numeric {
    let value = this.signed();
    for (;;) {
      const at = this.at;
      if (this.accept("*")) value = this.apply(at, exact.multiply, value, this.signed());
      else if (this.accept("/")) value = this.apply(at, exact.divide, value, this.signed());
      else if (this.accept("//")) value = this.apply(at, exact.floorDivide, value, this.signed());
      else if (this.accept("%")) value = this.apply(at, exact.modulo, value, this.signed());
      else return value;
    }
  }

  /** A sign binds looser than a power on its right, and tighter than one on its left. */
  private signed(): Numeric {
    this.enter();
    const at = this.at;
    let value: Numeric;
    if (this.accept("-")) value = this.apply(at, exact.negate, this.signed());
    else if (this.accept("+")) value = this.signed();
    else value = this.powered();
    this.depth--;
    return value;
  }

  private powered(): Numeric {
    const base = this.atom();
    const at = this.at;
    return this.accept("**") ? this.apply(at, exact.power, base, this.signed()) : base;
  }

  private atom(): Numeric {
    const { token, kind, at } = this;
    if (kind === "number") {
      this.advance();
      return this.apply(at, () => readNumber(token));
    }
    if (kind === "name") {
      this.advance();
      return this.named(token, at);
    }
    if (!this.accept("(")) throw this.unexpected('a number, a name or "("');
    const value = this.sum();
    this.expect(")");
    return value;
  }

  private named(name: string, at: number): Numeric {
    const constant = CONSTANTS.get(name);
    if (constant !== undefined) return constant;
    const called = FUNCTIONS.get(name);
    if (called === undefined) {
      const known = [...FUNCTIONS.keys(), ...CONSTANTS.keys()];
      const near = nearest(name, known);
      throw new TetherError("invalid", `${place(at)}: no function or constant ${JSON.stringify(name)}`, {
        hint: near === undefined ? `known: ${known.join(" ")}` : `did you mean ${near}?`,
      });
    }
    this.expect("(");
    const args = [this.sum()];
    while (this.accept(",")) args.push(this.sum());
    this.expect(")");
    const [least, most] = called.takes;
    if (args.length < least || args.length > most) {
      const allowed = most === Number.POSITIVE_INFINITY ? `at least ${least}` : String(least);
      throw new TetherError(
        "invalid",
        `${place(at)}: ${name} got ${args.length} numbers; allowed: ${allowed}`,
      );
    }
    this.operations += args.length;
    return this.apply(at, called.calculate, ...args);
  }

  /** Calculates one step; a mistake in it is told with its place. */
  private apply<A extends Numeric[]>(at: number, step: (...args: A) => Numeric, ...args: A): Numeric {
    if (++this.operations > PROCEDURES.expressionOperations) {
      throw new TetherError(
        "limit",
        `an expression has at most ${PROCEDURES.expressionOperations} operations`,
      );
    }
    try {
      return step(...args);
    } catch (error) {
      if (!(error instanceof TetherError)) throw error;
      throw new TetherError(error.code, `${place(at)}: ${error.message}`, { hint: error.hint });
    }
  }

  private enter(): void {
    if (++this.depth > PROCEDURES.expressionDepth) {
      throw new TetherError("limit", `${place(this.at)}: nested deeper than ${PROCEDURES.expressionDepth}`);
    }
  }

  private accept(operator: string): boolean {
    if (this.kind !== "operator" || this.token !== operator) return false;
    this.advance();
    return true;
  }

  private expect(operator: string): void {
    if (!this.accept(operator)) throw this.unexpected(`"${operator}"`);
  }

  private advance(): void {
    TOKEN.lastIndex = this.next;
    const match = TOKEN.exec(this.text);
    if (match === null) {
      this.kind = "end";
      this.token = "";
      this.at = this.text.length - this.text.slice(this.next).trimStart().length;
      if (this.at < this.text.length) throw this.unexpected("a number, a name or an operator");
      return;
    }
    const [whole, number, name, operator] = match;
    this.token = number ?? name ?? operator ?? "";
    this.kind = number !== undefined ? "number" : name !== undefined ? "name" : "operator";
    this.at = this.next + whole.length - this.token.length;
    this.next += whole.length;
  }

  private unexpected(expected: string): TetherError {
    const point = this.text.codePointAt(this.at);
    const found = this.token || (point === undefined ? "" : String.fromCodePoint(point));
    const shown = found === "" ? "the end" : JSON.stringify(found.slice(0, 40));
    return new TetherError("invalid", `${place(this.at)}: expected ${expected}, found ${shown}`, {
      hint: found === "^" ? "a power is written **" : undefined,
    });
  }
}

function place(at: number): string {
  return `expression at character ${at + 1}`;
}

function readNumber(token: string): Numeric {
  if (/^(?:[0-9]+|0[xXbB].*)$/.test(token)) return exact.exact(BigInt(token));
  const value = Number(token);
  if (Number.isFinite(value)) return value;
  throw new TetherError("invalid", "a number too large; allowed: up to 1.8e308");
}

function subtract(a: Numeric, b: Numeric): Numeric {
  return exact.add(a, exact.negate(b));
}

interface KnownFunction {
  /** Least and most arguments. */
  readonly takes: readonly [number, number];
  readonly calculate: (...args: Numeric[]) => Numeric;
}

function ofDouble(name: string, calculate: (value: number) => number): [string, KnownFunction] {
  return ofOne(name, (value) => exact.finite(calculate(exact.toDouble(value)), name));
}

function ofOne(name: string, calculate: (value: Numeric) => Numeric): [string, KnownFunction] {
  return [name, { takes: [1, 1], calculate: (...args) => calculate(args[0] as Numeric) }];
}

/** A rounding: integers stay, doubles become exact integers. */
function toWhole(name: string, round: (value: number) => number): [string, KnownFunction] {
  return ofOne(name, (value) => (exact.isExact(value) ? value : exact.whole(round(Number(value)))));
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** The logarithm of an integer beyond the range of doubles, by its bits. */
function logarithm(name: string, ofBase: (value: number) => number): [string, KnownFunction] {
  return ofOne(name, (value) => {
    if (value <= 0) throw new TetherError("invalid", `${name} of a number that is not above 0`);
    if (typeof value !== "bigint") return ofBase(value);
    const shift = Math.max(0, exact.bitLength(value) - 64);
    return ofBase(Number(value >> BigInt(shift))) + shift * ofBase(2);
  });
}

function extreme(name: string, sign: number): [string, KnownFunction] {
  const pick = (best: Numeric, value: Numeric) => (exact.compare(value, best) * sign > 0 ? value : best);
  return [name, { takes: [1, Number.POSITIVE_INFINITY], calculate: (...args) => args.reduce(pick) }];
}

const FUNCTIONS: ReadonlyMap<string, KnownFunction> = new Map([
  ofOne("sqrt", exact.squareRoot),
  ofOne("abs", (value) => (value < 0 ? exact.negate(value) : value)),
  extreme("min", -1),
  extreme("max", 1),
  toWhole("floor", Math.floor),
  toWhole("ceil", Math.ceil),
  toWhole("trunc", Math.trunc),
  toWhole("round", roundHalfToEven),
  ofDouble("sin", Math.sin),
  ofDouble("cos", Math.cos),
  ofDouble("tan", Math.tan),
  ofDouble("asin", Math.asin),
  ofDouble("acos", Math.acos),
  ofDouble("atan", Math.atan),
  ofDouble("exp", Math.exp),
  logarithm("log", Math.log),
  logarithm("log2", Math.log2),
  logarithm("log10", Math.log10),
]);

const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ["pi", Math.PI],
  ["e", Math.E],
  ["tau", 2 * Math.PI],
]);
