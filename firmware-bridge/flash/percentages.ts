import type { ProgressReader } from "./tool.ts";

/** Characters of a line that are kept until it is whole. */
const KEPT = 400;

/** Reads lines that have a step and a percentage in them, the two groups of the expression (flag `g`). */
export function percentages(expression: RegExp): ProgressReader {
  let rest = "";
  return (text) => {
    const all = rest + text;
    let last: RegExpExecArray | undefined;
    for (const found of all.matchAll(expression)) last = found;
    const end = last === undefined ? 0 : last.index + last[0].length;
    rest = all.slice(Math.max(end, all.length - KEPT));
    if (last === undefined) return undefined;
    const [, step = "", percent = ""] = last;
    return { step: step.trim().toLowerCase(), percent: Math.min(100, Number(percent)) };
  };
}
