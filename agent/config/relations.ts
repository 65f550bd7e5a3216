import type { Reading } from "./reading.ts";

/** Notes a mistake where `value` was seen before; `says` goes on after the path. */
export function checkOnce(
  seen: Map<string, string>,
  value: string,
  path: string,
  says: string,
  reading: Reading,
): void {
  const first = seen.get(value);
  if (first === undefined) {
    seen.set(value, path);
    return;
  }
  const { line } = reading.positionOf(first);
  reading.mistake(path, `${says}, which ${first} on line ${line} has, allowed: each once`);
}

/** True when exactly one of `keys` is given at `path`; else notes a mistake. */
export function checkOneOf(path: string, keys: readonly string[], reading: Reading): boolean {
  const given = keys.filter((key) => reading.has(`${path}.${key}`));
  if (given.length === 1) return true;
  const says = given.length === 0 ? "has none of them" : `has ${given.join(" and ")}`;
  reading.mistake(path, `${says}, allowed: exactly one of ${keys.join(" ")}`);
  return false;
}

/** Notes a mistake at each of `keys` that is given at `path` although `other` is not. */
export function checkWith(path: string, keys: readonly string[], other: string, reading: Reading): void {
  if (reading.has(`${path}.${other}`)) return;
  for (const key of keys) {
    if (reading.has(`${path}.${key}`)) {
      reading.mistake(`${path}.${key}`, `is given without ${other}, allowed: only with ${other}`, "key");
    }
  }
}
