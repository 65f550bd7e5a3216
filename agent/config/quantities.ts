/** Milliseconds of each unit of a duration, largest first. */
const DURATIONS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;

/** Bytes of each unit of a size, largest first. */
const SIZES = { TiB: 1024 ** 4, GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024, B: 1 } as const;

/** The duration in its largest whole unit, `90s` for 90,000 ms. */
export function formatDuration(milliseconds: number): string {
  return formatQuantity(milliseconds, DURATIONS);
}

/** The size in its largest whole unit, `64KiB` for 65,536 bytes. */
export function formatSize(bytes: number): string {
  return formatQuantity(bytes, SIZES);
}

function formatQuantity(value: number, units: { readonly [unit: string]: number }): string {
  const fitting = Object.entries(units).find(([, factor]) => value >= factor && value % factor === 0);
  const [unit, factor] = fitting ?? Object.entries(units).at(-1) ?? ["", 1];
  return `${value / factor}${unit}`;
}
