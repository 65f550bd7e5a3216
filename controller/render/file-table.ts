import { table } from "./table.ts";

/** One entry of a folder, as far as the other side tells. */
interface FileRow {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  /** ISO 8601. */
  readonly modified?: string;
  readonly mode?: string;
}

const KINDS: { readonly [type: string]: string } = { file: "-", directory: "d", symlink: "l" };

/** Entries as `ls -l` shows them. */
export function fileTable(entries: readonly FileRow[]): string {
  const width = Math.max(0, ...entries.map(({ size }) => String(size).length));
  return table(
    undefined,
    entries.map(({ name, type, size, modified = "", mode = "" }) => [
      `${KINDS[type] ?? "?"}${mode}`,
      String(size).padStart(width),
      modified.slice(0, 19).replace("T", " "),
      type === "directory" ? `${name}/` : name,
    ]),
  );
}
