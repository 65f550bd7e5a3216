/**
 * Text in columns, each as wide as its widest cell; control characters never reach the terminal.
 *
 * @param header titles, or undefined for none
 */
export function table(header: readonly string[] | undefined, rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(plain));
  const all = header === undefined ? clean : [header, ...clean];
  const widths: number[] = [];
  for (const row of all) {
    for (const [column, cell] of row.entries())
      widths[column] = Math.max(widths[column] ?? 0, [...cell].length);
  }
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : pad(cell, widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The text without control characters, which a stranger could use to rewrite the screen. */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}

function pad(cell: string, width: number): string {
  return cell + " ".repeat(width - [...cell].length);
}
