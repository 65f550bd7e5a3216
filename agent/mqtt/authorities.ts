import { readFile } from "node:fs/promises";
import { rootCertificates } from "node:tls";

/** What `update-ca-certificates` writes: the machine's own trust, to which its owner adds. */
const MACHINE_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/**
 * The authorities that a broker's certificate may come from, PEM: the machine's own (Node's where it has none),
 * and those of NODE_EXTRA_CA_CERTS, which Node leaves out as soon as it is given any.
 */
export async function trustedAuthorities(): Promise<string[]> {
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  const [machine, added] = await Promise.all([
    textOf(MACHINE_BUNDLE),
    extra === undefined || extra === "" ? undefined : textOf(extra),
  ]);
  return [...(machine === undefined ? rootCertificates : [machine]), ...(added === undefined ? [] : [added])];
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}
