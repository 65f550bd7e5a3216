import { TetherError } from "../protocol/index.ts";

/** A kind of private file that keeps a list: `{"version": 1, NAME: [ENTRY, …]}`. */
export interface EntryList<Entry> {
  readonly version: number;
  /** The member that holds the list; also what people call its entries together. */
  readonly name: string;
  /** What one entry is, for messages: "a token". */
  readonly entry: string;
  readonly isEntry: (value: unknown) => value is Entry;
  /** What follows "restore it from a backup, or remove it" in the hint. */
  readonly remedy: string;
}

/** What such a file says. */
export interface EntryListContents<Entry> {
  readonly entries: readonly Entry[];
  /** The other members, unchecked. */
  readonly others: { readonly [name: string]: unknown };
}

/**
 * Reads the text of such a file; `path` is for messages.
 *
 * @throws TetherError `invalid` that says where it is damaged
 */
export function parseEntryList<Entry>(
  text: string,
  path: string,
  { version, name, entry, isEntry, remedy }: EntryList<Entry>,
): EntryListContents<Entry> {
  const broken = (what: string) =>
    new TetherError("invalid", `${path} is damaged: ${what}`, {
      hint: `restore it from a backup, or remove it${remedy}`,
    });
  let file: { readonly [name: string]: unknown } | null;
  try {
    file = JSON.parse(text);
  } catch {
    throw broken("it is not JSON");
  }
  if (file?.version !== version) throw broken(`its version is not ${version}`);
  const { [name]: list, ...others } = file;
  if (!Array.isArray(list)) throw broken(`it has no list of ${name}`);
  const entries = list.map((value: unknown, index) => {
    if (!isEntry(value)) throw broken(`entry ${index + 1} is not ${entry}`);
    return value;
  });
  return { entries, others };
}
