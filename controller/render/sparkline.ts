const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** The newest `width` values as bars from the least of them to the largest; all alike stand in the middle. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  const least = shown.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = shown.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return shown.map((value) => barOf(value, least, most)).join("");
}

function barOf(value: number, least: number, most: number): string {
  if (least === most) return BARS[3];
  // Halves first: the distance of two finite numbers may be none.
  const part = (value / 2 - least / 2) / (most / 2 - least / 2);
  return BARS[Math.min(BARS.length - 1, Math.floor(part * BARS.length))] ?? BARS[0];
}
