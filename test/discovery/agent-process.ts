// A process that only answers discovery: `agent-process.ts NAME UDP-PORT KEY`, the key as PKCS #8 in hexadecimal.
// Writes `ready` once it answers, says goodbye on SIGTERM.
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { DiscoveryResponder } from "../../agent/discovery/index.ts";
import { agentIdOf, fingerprintOf } from "../../protocol/index.ts";

const [name = "agent", port = "0", key = ""] = process.argv.slice(2);
const privateKey = createPrivateKey({ key: Buffer.from(key, "hex"), format: "der", type: "pkcs8" });
const publicKey = createPublicKey(privateKey);
const responder = new DiscoveryResponder({
  port: Number(port),
  identity: { privateKey, publicKey, id: agentIdOf(fingerprintOf(publicKey)) },
  name,
  tags: ["lab"],
  version: "0.1.0",
  instance: randomBytes(8).toString("hex"),
  servicePort: () => 7415,
  log: (event, details) => process.stderr.write(`${JSON.stringify({ event, ...details })}\n`),
  now: () => performance.now(),
});
await responder.start();
process.stdout.write("ready\n");
process.once("SIGTERM", () => responder.stop().then(() => process.exit(0)));
