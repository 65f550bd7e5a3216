import { TetherError } from "./errors.ts";

const DURATIONS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 } as const;

/** Milliseconds of a duration such as `250ms`, `5s`, `10m`. Throws `invalid` saying what is allowed. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    throw new TetherError(
      "invalid",
      `"${text}" is no duration; allowed: a number and ms, s, m, h or d, as 250ms or 5s`,
    );
  }
  return Math.round(Number(match[1]) * DURATIONS[match[2] as keyof typeof DURATIONS]);
}

/** Bytes of a size such as `64KiB` or `2GiB`. Throws `invalid` saying what is allowed. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)?$/.exec(text);
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * SIZES[(match[2] ?? "B") as keyof typeof SIZES];
  if (!Number.isSafeInteger(Math.round(bytes))) {
    throw new TetherError(
      "invalid",
      `"${text}" is no size; allowed: bytes, or a number and KiB, MiB, GiB or TiB`,
    );
  }
  return Math.round(bytes);
}
