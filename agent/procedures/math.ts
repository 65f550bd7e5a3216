import { type JsonValue, TetherError } from "../../protocol/index.ts";
import { add, finite, isExact, multiply, type Numeric, toDouble } from "./exact-arithmetic.ts";
import { evaluate } from "./expression.ts";
import type { Procedure } from "./procedure.ts";
import { quadraticRoots } from "./quadratic.ts";

const number = { type: "number" } as const;

/** `math.*`: integers are exact beyond 2^53, doubles are doubles, and a result is finite. */
export const mathProcedures: readonly Procedure[] = [
  {
    name: "math.multiply",
    summary: "The product of two numbers.",
    parameters: { a: number, b: number },
    result: number,
    role: "viewer",
    retryable: true,
    run: ({ a, b }) => multiply(a as Numeric, b as Numeric),
  },
  {
    name: "math.add",
    summary: "The sum of two numbers.",
    parameters: { a: number, b: number },
    result: number,
    role: "viewer",
    retryable: true,
    run: ({ a, b }) => add(a as Numeric, b as Numeric),
  },
  {
    name: "math.sum",
    summary: "The sum of any number of numbers, or any number of texts joined.",
    parameters: { values: { type: "array", items: { type: ["number", "string"] } } },
    variadic: true,
    result: { type: ["number", "string"] },
    role: "viewer",
    retryable: true,
    run: ({ values }) => sum(values as (Numeric | string)[]),
  },
  {
    name: "math.quadratic",
    summary: "The real roots of a·x² + b·x + c, in ascending order.",
    parameters: { a: number, b: number, c: number },
    result: { type: "array", items: number, maxItems: 2 },
    role: "viewer",
    retryable: true,
    run: ({ a, b, c }) => quadraticRoots(a as Numeric, b as Numeric, c as Numeric),
  },
  {
    name: "math.evaluate",
    summary: "The value of an arithmetic expression.",
    parameters: { expression: { type: "string", description: "+ - * / // % ** ( ), pi e tau, functions" } },
    result: number,
    role: "viewer",
    retryable: true,
    run: ({ expression }) => evaluate(expression as string),
  },
];

/** Integers are summed exactly; doubles with their rounding errors carried along (Neumaier), and last. */
function sum(values: readonly (Numeric | string)[]): JsonValue {
  const texts = values.filter((value) => typeof value === "string");
  if (texts.length > 0) {
    if (texts.length === values.length) return texts.join("");
    const odd = values.findIndex((value) => typeof value !== typeof values[0]) + 1;
    throw new TetherError(
      "invalid",
      `math.sum: argument ${odd} mixes texts and numbers; allowed: all of one kind`,
    );
  }
  let whole: Numeric = 0;
  let total = 0;
  let lost = 0;
  let hasDouble = false;
  for (const value of values as readonly Numeric[]) {
    if (isExact(value)) {
      whole = add(whole, value);
      continue;
    }
    const double = Number(value);
    const next = total + double;
    lost += Math.abs(total) >= Math.abs(double) ? total - next + double : double - next + total;
    total = next;
    hasDouble = true;
  }
  return hasDouble ? finite(toDouble(whole) + total + lost, "math.sum") : whole;
}
