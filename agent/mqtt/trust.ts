import { readFile, stat } from "node:fs/promises";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";

/** What `update-ca-certificates` writes: the machine's own trust, to which its owner adds. */
const MACHINE_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Whom a broker's certificate may come from: the machine's own authorities (Node's where it has none), and
 * those of NODE_EXTRA_CA_CERTS, which Node leaves out as soon as it is given any.
 */
export class Trust {
  #context: SecureContext | undefined;
  #stamp = "";

  /** Reads the files when they have changed: parsing 140 certificates takes a Pi 100 ms. */
  async context(): Promise<SecureContext> {
    const paths = [MACHINE_BUNDLE, process.env.NODE_EXTRA_CA_CERTS ?? ""];
    const stamp = (await Promise.all(paths.map(stampOf))).join(" ");
    if (this.#context === undefined || stamp !== this.#stamp) {
      const [machine, extra] = await Promise.all(paths.map(textOf));
      const ca = [...(machine === undefined ? rootCertificates : [machine])];
      if (extra !== undefined) ca.push(extra);
      this.#context = createSecureContext({ ca });
      this.#stamp = stamp;
    }
    return this.#context;
  }
}

async function stampOf(path: string): Promise<string> {
  const facts = path === "" ? undefined : await stat(path).catch(() => undefined);
  return facts === undefined ? "-" : `${facts.ino}:${facts.size}:${facts.mtimeMs}`;
}

async function textOf(path: string): Promise<string | undefined> {
  return path === "" ? undefined : await readFile(path, "utf8").catch(() => undefined);
}
