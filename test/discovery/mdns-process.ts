// A process that advertises by mDNS until SIGTERM: `mdns-process.ts NAME ID`. Writes `ready` once it does.
import { MdnsAdvertiser } from "../../agent/discovery/index.ts";

const [name = "agent", id = ""] = process.argv.slice(2);
const advertiser = new MdnsAdvertiser({
  id,
  name,
  version: "0.1.0",
  fingerprint: "SHA256:test",
  port: 7415,
  log: (event, details) => process.stderr.write(`${JSON.stringify({ event, ...details })}\n`),
});
await advertiser.start();
process.stdout.write("ready\n");
process.once("SIGTERM", () => advertiser.stop().then(() => process.exit(0)));
