import {
  agentProof,
  asTetherError,
  controllerProof,
  fingerprintOf,
  type Identity,
  keyHash,
  PAIRING_BYTES,
  PAIRING_EXPORTER_LABEL,
  PROTOCOL,
  parsePairingCode,
  proofsEqual,
  TetherError,
} from "../protocol/index.ts";
import { type Connection, openConnection } from "./connection.ts";
import type { HostPort } from "./host-port.ts";
import type { PairedAgent } from "./known-agents.ts";

/** What pairing needs. */
export interface PairingOptions {
  readonly address: HostPort;
  /** As a person typed it. */
  readonly code: string;
  readonly identity: Identity;
  /** How this controller wants to be called there. */
  readonly label: string;
  readonly signal?: AbortSignal;
}

/**
 * Pairs with the agent at an address: proves the code first, then checks that the agent knows it too, both on
 * this very connection and for these very keys. Stores nothing.
 *
 * @throws TetherError `invalid` for what is no code, `unauthorized` when either proof is wrong, and what
 * connecting throws
 */
export async function pairWith(options: PairingOptions): Promise<PairedAgent> {
  const code = parsePairingCode(options.code);
  const connection = await openConnection({
    ...options.address,
    identity: options.identity,
    // Nobody is pinned yet: the proofs decide, and they are made over this key.
    accept: () => undefined,
    ...(options.signal && { signal: options.signal }),
  });
  try {
    const transcript = {
      code,
      exporter: connection.socket.exportKeyingMaterial(
        PAIRING_BYTES,
        PAIRING_EXPORTER_LABEL,
        Buffer.alloc(0),
      ),
      controllerKeyHash: options.identity.keyHash,
      agentKeyHash: keyHash(connection.agentKey),
    };
    const proof = controllerProof(transcript).toString("base64");
    const answer = await ask(connection, JSON.stringify({ proof, label: options.label }), options.signal);
    if (!proofsEqual(agentProof(transcript), Buffer.from(answer.proof, "base64"))) {
      throw new TetherError("unauthorized", "the other side does not know the pairing code", {
        hint: "somebody may be between here and the agent; nothing was stored",
      });
    }
    return {
      fingerprint: fingerprintOf(connection.agentKey),
      ownName: answer.name,
      address: options.address,
      role: answer.role,
      tags: answer.tags,
    };
  } finally {
    connection.close();
  }
}

interface PairingAnswer {
  readonly proof: string;
  readonly role: string;
  readonly name: string;
  readonly tags: readonly string[];
}

function ask(
  connection: Connection,
  request: string,
  signal: AbortSignal | undefined,
): Promise<PairingAnswer> {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(asTetherError(signal.reason)), { once: true });
    connection.session.open("pair", request, true, {
      onDocument(text) {
        try {
          resolve(readAnswer(text));
        } catch (error) {
          reject(asTetherError(error));
        }
      },
      onEnd: () => reject(new TetherError("internal", "the agent gave no answer")),
      onReset: reject,
    });
  });
}

function readAnswer(text: string): PairingAnswer {
  const { proof, role, agent } = JSON.parse(text) as {
    proof?: unknown;
    role?: unknown;
    agent?: { name?: unknown; tags?: unknown };
  };
  if (typeof proof !== "string" || typeof role !== "string") {
    throw new TetherError("internal", `an answer to pairing that version ${PROTOCOL.version} does not know`);
  }
  const tags = Array.isArray(agent?.tags) ? agent.tags.filter((tag) => typeof tag === "string") : [];
  return { proof, role, name: typeof agent?.name === "string" ? agent.name : "", tags };
}
