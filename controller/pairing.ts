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
import { agentKeyChanged, type KnownAgent, type KnownAgents, type PairedAgent } from "./known-agents.ts";
import { reach } from "./reach.ts";

/** What pairing needs. */
export interface PairingOptions {
  readonly address: HostPort;
  /** As a person typed it. */
  readonly code: string;
  readonly identity: Identity;
  /** Those that are paired already. */
  readonly agents: KnownAgents;
  /** How this controller wants to be called there. */
  readonly label: string;
  readonly signal?: AbortSignal;
}

/**
 * Pairs with the agent at an address: proves the code first, then checks that the agent knows it too, both on
 * this very connection and for these very keys. Of the agent it stores nothing.
 *
 * @throws TetherError `invalid` for what is no code, `unauthorized` when either proof is wrong or a paired agent
 * is to be at that address and is not found elsewhere, and what connecting throws
 */
export async function pairWith(options: PairingOptions): Promise<PairedAgent> {
  const code = parsePairingCode(options.code);
  const connection = await connectToPair(options);
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

/**
 * Connects to whoever is at the address: nobody is pinned, the proofs decide, and they are made over this key.
 * Only where a paired agent was last it must be that one, unless that one is somewhere else by now.
 */
async function connectToPair(options: PairingOptions): Promise<Connection> {
  const { address, identity, agents, signal } = options;
  let missed: KnownAgent | undefined;
  const open = () =>
    openConnection({
      ...address,
      identity,
      accept(fingerprint) {
        const expected = agents.lastAt(address);
        if (expected.some((agent) => agent.fingerprint === fingerprint)) return;
        [missed] = expected;
        if (missed !== undefined) throw agentKeyChanged(missed, fingerprint, address);
      },
      ...(signal && { signal }),
    });
  try {
    return await open();
  } catch (error) {
    if (missed === undefined) throw error;
    // Reaching it takes note of where it is.
    const elsewhere = await reach(missed, { identity, agents, ...(signal && { signal }) }).catch(() => {
      throw error;
    });
    elsewhere.close();
    return open();
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
