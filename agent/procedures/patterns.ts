/** Says of a procedure's name whether one of the patterns fits it whole; `*` stands for anything. */
export function allowedBy(patterns: readonly string[]): (name: string) => boolean {
  const split = patterns.map((pattern) => pattern.split("*"));
  return (name) => split.some((parts) => fits(name, parts));
}

/** True when `name` is the parts in their order with anything between two of them. */
function fits(name: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  // The leftmost place leaves most for what follows.
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length >= at + last.length && name.endsWith(last);
}
