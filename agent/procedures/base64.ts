/** Bytes of a base64 text (RFC 4648 §4, padded, nothing between); undefined when it is none. */
export function decodeBase64(text: string): Buffer | undefined {
  // A regular expression over 16 MiB would hold everybody up for 100 ms. Node passes over what is not base64, so
  // that fewer bytes come of it; but it takes the other alphabet (§5) too, and may cut characters to 8 bits.
  const isForeign = text.includes("-") || text.includes("_") || Buffer.byteLength(text) !== text.length;
  if (text.length % 4 !== 0 || isForeign) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
}

/** Base64 of bytes, padded. */
export function encodeBase64(bytes: Buffer): string {
  return bytes.toString("base64");
}
