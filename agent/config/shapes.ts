import { isMap, isScalar, isSeq, type ParsedNode, Scalar } from "yaml";
import { CONFIGURATION, nearest, parseDuration, parseSize } from "../../protocol/index.ts";
import { quoted } from "./mistake.ts";
import { formatDuration, formatSize } from "./quantities.ts";
import type { Content, Reading } from "./reading.ts";

/** What may stand at one place of the configuration. */
export interface Shape<T> {
  /** What is allowed, as messages and the reference say it. */
  readonly allowed: string;
  /** What stands inside, by the part of the path it adds: `.port`, `[]`, `.NAME`. */
  readonly inside?: readonly Inside[];
  /** The value, or undefined after noting at least one mistake. */
  read(node: Content, path: string, reading: Reading): T | undefined;
}

/** One place inside another. */
export interface Inside {
  readonly step: string;
  readonly shape: Shape<unknown>;
  readonly key?: Key<unknown>;
}

/** A key of a group: its shape, and what its absence means. */
export interface Key<T> {
  readonly shape: Shape<T>;
  /** The value where the key is absent, empty or wrong. */
  readonly fallback: T;
  readonly required: boolean;
  /** The default as the reference says it. */
  readonly default: string;
}

/** The keys of a group. */
export interface Keys {
  readonly [name: string]: Key<unknown>;
}

/** What a group of keys gives. */
export type Group<K extends Keys> = { readonly [P in keyof K]: K[P] extends Key<infer T> ? T : never };

/** A key with a default; `said` is the default as the reference says it, unless it is the value itself. */
export function standard<T>(shape: Shape<T>, fallback: T, said = JSON.stringify(fallback)): Key<T> {
  return { shape, fallback, required: false, default: said };
}

/** A map key whose default is no entry at all. */
export function mapKey<T>(shape: Shape<{ readonly [name: string]: T }>): Key<{ readonly [name: string]: T }> {
  return standard(shape, Object.freeze(Object.create(null)), "none");
}

/** A key that may be left out; `said` is what that means. */
export function optional<T>(shape: Shape<T>, said = "none"): Key<T | undefined> {
  return { shape, fallback: undefined, required: false, default: said };
}

/** A key that has to be there. */
export function required<T>(shape: Shape<T>): Key<T | undefined> {
  return { shape, fallback: undefined, required: true, default: "required" };
}

/** A group of keys whose absence means all its defaults. */
export function section<K extends Keys>(keys: K): Key<Group<K>> {
  return standard(group(keys), defaultsOf(keys), "see below");
}

/** A duration key with its default in milliseconds. */
export function durationKey(least: number, most: number, fallback: number): Key<number> {
  return standard(duration(least, most), fallback, formatDuration(fallback));
}

/** A size key with its default in bytes. */
export function sizeKey(least: number, most: number, fallback: number): Key<number> {
  return standard(size(least, most), fallback, formatSize(fallback));
}

/** Text that `pattern` matches whole, if given, and that `check` has nothing to say against. */
export function text(
  options: {
    readonly allowed?: string;
    readonly pattern?: RegExp;
    readonly shortest?: number;
    readonly longest?: number;
    /** What is wrong with the text, or undefined. */
    readonly check?: (value: string, node: Scalar) => string | undefined;
    /** Takes a number as it was written: identifiers that may be all digits. */
    readonly digits?: boolean;
  } = {},
): Shape<string> {
  const { pattern, shortest = 1, longest = CONFIGURATION.textLength, check, digits = false } = options;
  const allowed = options.allowed ?? `text of ${shortest} to ${longest} characters`;
  return scalarShape(allowed, (node) => {
    const value = digits && typeof node.value === "number" ? node.source : node.value;
    if (typeof value === "number" || typeof value === "boolean") {
      return {
        wrong: `is the ${typeof value === "number" ? "number" : "truth value"} ${shown(node)}`,
        hint: ", in quotes",
      };
    }
    if (typeof value !== "string") return {};
    if (value.length < shortest || value.length > longest || pattern?.test(value) === false) return {};
    const wrong = check?.(value, node);
    return wrong === undefined ? { value } : { wrong };
  });
}

/** An integer of a range. */
export function integer(least: number, most: number): Shape<number> {
  return scalarShape(`an integer from ${least} to ${most}`, ({ value }) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most
      ? { value }
      : {},
  );
}

/** Any finite number, or from `least` on. */
export function number(least = Number.NEGATIVE_INFINITY): Shape<number> {
  const allowed = least === Number.NEGATIVE_INFINITY ? "a number" : `a number from ${least} on`;
  return scalarShape(allowed, ({ value }) =>
    typeof value === "number" && Number.isFinite(value) && value >= least ? { value } : {},
  );
}

/** True or false. */
export function boolean(): Shape<boolean> {
  return scalarShape("true or false", ({ value }) => (typeof value === "boolean" ? { value } : {}));
}

/** A duration in milliseconds. */
export function duration(least: number, most: number): Shape<number> {
  const allowed = `a duration from ${formatDuration(least)} to ${formatDuration(most)}, as 250ms 5s 10m 1h 1d`;
  return scalarShape(allowed, ({ value }) => {
    const found = typeof value === "string" ? quantity(parseDuration, value) : undefined;
    return found !== undefined && found >= least && found <= most ? { value: found } : {};
  });
}

/** A size in bytes. */
function size(least: number, most: number): Shape<number> {
  const allowed = `a size from ${formatSize(least)} to ${formatSize(most)}, as 4096 64KiB 16MiB 2GiB`;
  return scalarShape(allowed, ({ value }) => {
    const bytes = typeof value === "string" ? quantity(parseSize, value) : value;
    const fits = typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= least && bytes <= most;
    return fits ? { value: bytes } : {};
  });
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Shape<T> {
  return scalarShape(`one of ${words.join(" ")}`, (node) => {
    const value = words.find((word) => word === node.value);
    if (value !== undefined) return { value };
    const near = typeof node.value === "string" ? nearest(node.value, words) : undefined;
    return near === undefined ? {} : { hint: `; nearest: ${near}` };
  });
}

/** One of a few numbers. */
export function numeral<const T extends number>(numbers: readonly T[]): Shape<T> {
  return scalarShape(`one of ${numbers.join(" ")}`, (node) => {
    const value = numbers.find((each) => each === node.value);
    return value === undefined ? {} : { value };
  });
}

/** A text, a number or a truth value, as it stands. */
export function plain(): Shape<string | number | boolean> {
  return scalarShape("text, a number, true or false", ({ value }) =>
    typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)
      ? { value: value as string | number | boolean }
      : {},
  );
}

/** A list; an item that is wrong is left out. */
export function list<T>(of: Shape<T>, least: number, most: number): Shape<readonly T[]> {
  const allowed = `a list of ${least} to ${most} items`;
  return {
    allowed,
    inside: [{ step: "[]", shape: of }],
    read(node, path, reading) {
      if (!isSeq(node) || node.items.length < least || node.items.length > most) {
        const found = isSeq(node) ? `has ${node.items.length} items` : `is ${shown(node)}`;
        reading.mistake(path, `${found}, allowed: ${allowed}`);
        return undefined;
      }
      return (node.items as readonly ParsedNode[]).flatMap((item, index) => {
        const at = `${path}[${index}]`;
        reading.place(at, item.range[0], item.range[0]);
        const content = reading.resolve(item, at);
        const value = content === undefined ? undefined : of.read(content, at, reading);
        return value === undefined ? [] : [value];
      });
    },
  };
}

/** Keys that the user names; one whose value is wrong is left out. Without a prototype: any name is safe. */
export function map<T>(
  name: { readonly pattern: RegExp; readonly allowed: string },
  of: Shape<T>,
  most: number,
): Shape<{ readonly [name: string]: T }> {
  const allowed = `up to ${most} keys, each ${name.allowed}`;
  return {
    allowed,
    inside: [{ step: ".NAME", shape: of }],
    read(node, path, reading) {
      const pairs = pairsOf(node, path, allowed, reading);
      if (pairs === undefined) return undefined;
      if (pairs.length > most) {
        reading.mistake(path, `has ${pairs.length} keys, allowed: ${allowed}`);
        return undefined;
      }
      const values: { [name: string]: T } = Object.create(null);
      for (const pair of pairs) {
        if (!name.pattern.test(pair.key)) {
          reading.mistakeAt(pair.offset, path, `has the key ${quoted(pair.key)}, allowed: ${name.allowed}`);
          continue;
        }
        const at = pair.enter();
        const content = reading.resolve(pair.value, at);
        const value = content === undefined ? undefined : of.read(content, at, reading);
        if (value !== undefined) values[pair.key] = value;
      }
      return values;
    },
  };
}

/** A group of known keys. A wrong value counts as its default, so that everything else is still checked. */
export function group<K extends Keys>(keys: K): Shape<Group<K>> {
  const names = Object.keys(keys);
  const allowed = `the keys ${names.join(" ")}`;
  return {
    allowed,
    inside: Object.entries(keys).map(([name, key]) => ({ step: `.${name}`, shape: key.shape, key })),
    read(node, path, reading) {
      const pairs = pairsOf(node, path, allowed, reading);
      return pairs === undefined ? undefined : readKeys(keys, pairs, path, reading);
    },
  };
}

/** Groups told apart by their key `kind`, whose value is added to what each gives. */
export function kinds<V extends { readonly [kind: string]: Keys }>(
  variants: V,
): Shape<{ [P in keyof V & string]: Group<V[P]> & { readonly kind: P } }[keyof V & string]> {
  const names = Object.keys(variants) as (keyof V & string)[];
  const kind = choice(names);
  const allowed = "a group of keys with a kind";
  return {
    allowed,
    inside: Object.entries(variants).flatMap(([name, keys]) =>
      Object.entries(keys).map(([step, key]) => ({ step: `(${name}).${step}`, shape: key.shape, key })),
    ),
    read(node, path, reading) {
      const pairs = pairsOf(node, path, allowed, reading);
      if (pairs === undefined) return undefined;
      const said = pairs.find((pair) => pair.key === "kind")?.value;
      const chosen = isScalar(said) ? names.find((name) => name === said.value) : undefined;
      const own = chosen === undefined ? undefined : variants[chosen];
      const elsewhere = (key: string): string | undefined => {
        const owners = names.filter((name) => Object.hasOwn(variants[name] ?? {}, key));
        return owners.length === 0 ? undefined : `${key}, which only kind ${owners.join(" ")} may have`;
      };
      // Without a kind nothing is out of place, but what is wrong in every kind still is.
      const keys = own ?? Object.assign({}, ...Object.values(variants).map(withoutRequired));
      const values = readKeys({ kind: required(kind), ...keys }, pairs, path, reading, elsewhere);
      return own === undefined ? undefined : (values as never);
    },
  };
}

function withoutRequired(keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, { ...key, required: false }]));
}

/** What the keys give where the file has none of them. */
export function defaultsOf<K extends Keys>(keys: K): Group<K> {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, key.fallback])) as Group<K>;
}

/** One key of a mapping that was not there before, with its value. */
interface Pair {
  readonly key: string;
  readonly offset: number;
  readonly value: ParsedNode;
  /** Notes its place; gives its path. */
  enter(): string;
}

function pairsOf(node: Content, path: string, allowed: string, reading: Reading): Pair[] | undefined {
  // A key with nothing after it, its members all commented out, is an empty group.
  if (isScalar(node) && node.value === null) return [];
  if (!isMap(node)) {
    reading.mistake(path, `is ${shown(node)}, allowed: ${allowed}`);
    return undefined;
  }
  const seen = new Set<string>();
  return node.items.flatMap(({ key, value }) => {
    const offset = key.range[0];
    const name = reading.resolve(key, path);
    if (name === undefined) return [];
    if (!isScalar(name) || name.value === null) {
      reading.mistakeAt(offset, path, `has ${shown(name)} for a key, allowed: ${allowed}`);
      return [];
    }
    const word = typeof name.value === "string" ? name.value : (name.source ?? String(name.value));
    if (seen.has(word)) {
      reading.mistakeAt(offset, path, `has the key ${quoted(word)} twice, allowed: each key once`);
      return [];
    }
    seen.add(word);
    // In a flow mapping `{ a }` has a key and no value node at all.
    const content = value ?? nothingAt(key);
    const at = path === "" ? word : `${path}.${word}`;
    const enter = (): string => {
      reading.place(at, offset, content.range[0]);
      return at;
    };
    return [{ key: word, offset, value: content, enter }];
  });
}

function readKeys<K extends Keys>(
  keys: K,
  pairs: readonly Pair[],
  path: string,
  reading: Reading,
  elsewhere: (name: string) => string | undefined = () => undefined,
): Group<K> {
  const values: { [name: string]: unknown } = { ...defaultsOf(keys) };
  const present = new Set<string>();
  for (const pair of pairs) {
    const key = Object.hasOwn(keys, pair.key) ? keys[pair.key] : undefined;
    if (key === undefined) {
      const names = Object.keys(keys);
      const misplaced = elsewhere(pair.key);
      const near = misplaced === undefined ? nearest(pair.key, names) : undefined;
      const wrong = misplaced ?? `an unknown key ${quoted(pair.key)}`;
      const help = near === undefined ? `allowed: ${names.join(" ")}` : `nearest: ${near}`;
      reading.mistakeAt(pair.offset, path, `has ${wrong}, ${help}`);
      continue;
    }
    const at = pair.enter();
    const content = reading.resolve(pair.value, at);
    if (content === undefined) present.add(pair.key);
    // A key with nothing after it counts as absent.
    if (content === undefined || (isScalar(content) && content.value === null)) continue;
    present.add(pair.key);
    const value = key.shape.read(content, at, reading);
    if (value !== undefined) values[pair.key] = value;
  }
  for (const [name, key] of Object.entries(keys)) {
    if (key.required && !present.has(name)) {
      reading.mistake(path, `has no ${name}, allowed: ${key.shape.allowed}`);
    }
  }
  return values as Group<K>;
}

/** What a scalar was read as: its value, or what is wrong and what helps. */
interface Outcome<T> {
  readonly value?: T;
  readonly wrong?: string;
  readonly hint?: string;
}

function scalarShape<T>(allowed: string, read: (node: Scalar) => Outcome<T>): Shape<T> {
  return {
    allowed,
    read(node, path, reading) {
      const outcome: Outcome<T> = isScalar(node) ? read(node) : {};
      if (outcome.value !== undefined) return outcome.value;
      const wrong = outcome.wrong ?? `is ${shown(node)}`;
      reading.mistake(path, `${wrong}, allowed: ${allowed}${outcome.hint ?? ""}`);
      return undefined;
    },
  };
}

function quantity(parse: (text: string) => number, written: string): number | undefined {
  try {
    return parse(written);
  } catch {
    return undefined;
  }
}

function nothingAt(key: ParsedNode): ParsedNode {
  const nothing = new Scalar(null);
  nothing.range = key.range;
  return nothing as Scalar.Parsed;
}

/** The node as a message shows it. */
function shown(node: { readonly value?: unknown } | Content): string {
  if (isSeq(node)) return "a list";
  if (isMap(node)) return "a group of keys";
  const { value, source } = node as Scalar;
  if (value === null) return "empty";
  return typeof value === "string" ? quoted(value) : (source ?? String(value)).slice(0, 60);
}
