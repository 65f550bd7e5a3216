import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Owner } from "../agent-process.ts";

/** Paths of an authority's certificate, and of a key and a certificate from it for 127.0.0.1 and localhost. */
export interface Certificates {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes an authority of its own. Takes the peer `openssl`. */
export function makeCertificates(owner: Owner): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "tether-ca-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    path("ca.key"),
    "-out",
    path("ca.pem"),
    "-subj",
    "/CN=Test CA",
  );
  writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\n");
  openssl("req", ...newKey, "-keyout", path("key.pem"), "-out", path("request"), "-subj", "/CN=localhost");
  openssl(
    ...["x509", "-req", "-in", path("request"), "-CA", path("ca.pem"), "-CAkey", path("ca.key")],
    ...["-CAcreateserial", "-extfile", path("names"), "-out", path("certificate.pem")],
  );
  return { authority: path("ca.pem"), certificate: path("certificate.pem"), key: path("key.pem") };
}
