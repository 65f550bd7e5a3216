import type { KeyObject } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { fingerprintOf, keyHash } from "../../protocol/index.ts";

/** Who is at the other end of a connection, as far as the handshake has proven it. */
export interface Peer {
  /** Remote address without the prefix of IPv4 written as IPv6. */
  readonly address: string;
  /** The key that the other side holds; absent when it showed none. */
  readonly key: { readonly hash: Buffer; readonly fingerprint: string } | undefined;
  /** RFC 8446 §7.5: bytes that only the two ends of this connection know. */
  exportKeyingMaterial(length: number, label: string): Buffer;
}

/** Reads what a finished handshake proves. */
export function peerOf(socket: TLSSocket): Peer {
  const publicKey = publicKeyOf(socket);
  return {
    address: plainAddress(socket.remoteAddress),
    key:
      publicKey?.asymmetricKeyType === "ed25519"
        ? { hash: keyHash(publicKey), fingerprint: fingerprintOf(publicKey) }
        : undefined,
    // No context: RFC 8446 makes that the same as an empty one.
    exportKeyingMaterial: (length, label) => socket.exportKeyingMaterial(length, label, Buffer.alloc(0)),
  };
}

/** A certificate may hold a kind of key that this Node cannot read. */
function publicKeyOf(socket: TLSSocket): KeyObject | undefined {
  try {
    return socket.getPeerX509Certificate()?.publicKey;
  } catch {
    return undefined;
  }
}

/** An address without the prefix of IPv4 written as IPv6 (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string | undefined): string {
  return (address ?? "unknown").replace(/^::ffff:(?=\d+\.)/, "");
}
