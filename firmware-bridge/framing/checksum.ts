/** How a line is secured: `nmea` by `*` and two digits (NMEA 0183), `xor8` and `sum8` by two digits after it. */
export const LINE_CHECKSUMS = ["nmea", "xor8", "sum8"] as const;

/** One of {@link LINE_CHECKSUMS}. */
export type LineChecksum = (typeof LINE_CHECKSUMS)[number];

/** The line with its checksum, in upper-case hexadecimal digits. */
export function sealed(line: string, kind: LineChecksum): string {
  return line + (kind === "nmea" ? "*" : "") + digits(line, kind);
}

/** The line without its checksum; undefined when it has none or a wrong one. */
export function unsealed(line: string, kind: LineChecksum): string | undefined {
  const end = line.length - (kind === "nmea" ? 3 : 2);
  if (end < 0) return undefined;
  const bare = line.slice(0, end);
  return sealed(bare, kind) === bare + line.slice(end).toUpperCase() ? bare : undefined;
}

function digits(line: string, kind: LineChecksum): string {
  // NMEA 0183: of what stands between the `$` or `!` and the `*`.
  const covered = kind === "nmea" ? line.replace(/^[$!]/, "") : line;
  const sum = Buffer.from(covered, "utf8").reduce(
    (all, byte) => (kind === "sum8" ? (all + byte) & 0xff : all ^ byte),
    0,
  );
  return sum.toString(16).toUpperCase().padStart(2, "0");
}
