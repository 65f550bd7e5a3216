/** Bytes of a base64 text (RFC 4648 §4, padded, nothing between); undefined when it is none. */
export function decodeBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}

/** Base64 of bytes, padded. */
export function encodeBase64(bytes: Buffer): string {
  return bytes.toString("base64");
}
