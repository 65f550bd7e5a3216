import {
  asTetherError,
  PAIRING_BYTES,
  PAIRING_EXPORTER_LABEL,
  type Stream,
  TetherError,
} from "../../protocol/index.ts";
import type { PairedController } from "../identity/index.ts";
import type { Peer } from "./peer.ts";
import type { Services } from "./services.ts";

/**
 * Serves a stream of kind `pair`. The controller proves first that it knows the code; then the code is spent,
 * the controller is stored, and only then the agent gives its own proof.
 */
export function servePairing(
  stream: Stream,
  peer: Peer,
  services: Services,
  onPaired: (controller: PairedController) => void,
): void {
  let asked = false;
  stream.handlers = {
    onDocument(text) {
      if (asked) return;
      asked = true;
      pair(text, peer, services).then(
        ({ controller, answer }) => {
          stream.sendDocument(JSON.stringify(answer), true);
          // The answer is on its way: this may end the session that brought the request.
          onPaired(controller);
        },
        (thrown) => {
          const error = asTetherError(thrown);
          const { address, key } = peer;
          services.refusals.note(
            "pairing-refused",
            `pairing refused: ${error.message}`,
            { address, fingerprint: key?.fingerprint, code: error.code },
            performance.now(),
          );
          stream.reset(error);
        },
      );
    },
  };
}

async function pair(text: string, peer: Peer, services: Services) {
  const { proof, label } = readRequest(text);
  if (peer.key === undefined) throw new TetherError("unauthorized", "pairing needs a key; none was shown");
  const { identity, pairing, controllers, log } = services;
  const accepted = pairing.verify(
    {
      address: peer.address,
      exporter: peer.exportKeyingMaterial(PAIRING_BYTES, PAIRING_EXPORTER_LABEL),
      controllerKeyHash: peer.key.hash,
      agentKeyHash: identity.keyHash,
      proof,
    },
    performance.now(),
  );
  const wanted = { label: accepted.label ?? label, fingerprint: peer.key.fingerprint, role: accepted.role };
  const controller = await controllers.add(wanted, new Date());
  log.info("paired", `paired with ${controller.label} as ${controller.role}`, {
    label: controller.label,
    role: controller.role,
    fingerprint: controller.fingerprint,
    address: peer.address,
  });
  const answer = {
    proof: accepted.agentProof.toString("base64"),
    label: controller.label,
    role: controller.role,
    agent: { id: identity.id, ...services.facts() },
  };
  return { controller, answer };
}

function readRequest(text: string): { proof: Buffer; label: string } {
  const { proof, label } = parseObject(text);
  if (typeof proof !== "string" || typeof label !== "string") {
    throw new TetherError("invalid", 'a pairing request is {"proof": base64, "label": text}');
  }
  return { proof: Buffer.from(proof, "base64"), label };
}

/** The members of a JSON object; none when the text is anything else, which is then refused by its shape. */
function parseObject(text: string): { readonly proof?: unknown; readonly label?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    return {};
  }
}
