import { type Connection, openConnection } from "../../controller/connection.ts";
import {
  controllerProof,
  type Identity,
  identityFromBundle,
  keyHash,
  newIdentityBundle,
  PAIRING_EXPORTER_LABEL,
  parsePairingCode,
  type StreamName,
  type TetherError,
} from "../../protocol/index.ts";
import type { Owner } from "../agent-process.ts";

/** A fresh key that nobody knows. */
export function strangersKey(): Identity {
  return identityFromBundle(newIdentityBundle("controller"), "controller", "a stranger");
}

/** Connects with a key that accepts every agent; closed by `owner`. */
export async function connectStranger(
  owner: Owner,
  port: number,
  { identity = strangersKey(), host = "127.0.0.1" }: { identity?: Identity; host?: string } = {},
): Promise<Connection> {
  const connection = await openConnection({ host, port, identity, accept: () => undefined });
  owner.after(() => connection.socket.destroy());
  return connection;
}

/** What became of a stream: the document that answered it, or the error that ended it. */
export type Answer = { readonly document: string } | { readonly error: TetherError };

/** Opens a stream with one document and waits for the answer. */
export function askOn(connection: Connection, kind: StreamName, document: string): Promise<Answer> {
  return new Promise((resolve) => {
    connection.session.open(kind, document, true, {
      onDocument: (text) => resolve({ document: text }),
      onReset: (error) => resolve({ error }),
    });
  });
}

/** The request with which a controller proves a code on this connection, with keys of its choice. */
export function pairingRequest(connection: Connection, identity: Identity, code: string): string {
  const proof = controllerProof({
    code: parsePairingCode(code),
    exporter: connection.socket.exportKeyingMaterial(32, PAIRING_EXPORTER_LABEL, Buffer.alloc(0)),
    controllerKeyHash: identity.keyHash,
    agentKeyHash: keyHash(connection.agentKey),
  });
  return JSON.stringify({ proof: proof.toString("base64"), label: "stranger" });
}
