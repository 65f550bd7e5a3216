import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { connect, createServer } from "node:tls";
import { hasFastAes, identityFromPem, newPrivateKeyPem, suitePreference } from "../../protocol/index.ts";

const identity = identityFromPem(newPrivateKeyPem(), "agent", "agent");

/** The suite that a server and a client with or without AES instructions agree on. */
async function agreed(t: TestContext, server: boolean, client: boolean): Promise<string> {
  const common = { key: identity.keyPem, cert: identity.certificatePem, minVersion: "TLSv1.3" } as const;
  const listener = createServer({ ...common, ...suitePreference(server) });
  t.after(() => listener.close());
  listener.on("secureConnection", (socket) => socket.on("error", () => {}));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const socket = connect({
    ...common,
    host: "127.0.0.1",
    port: (listener.address() as AddressInfo).port,
    ciphers: suitePreference(client).ciphers,
    rejectUnauthorized: false,
  });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket.getCipher().standardName;
}

test("a side without AES instructions gets ChaCha20, whichever it is, and two with them get AES-128", async (t) => {
  assert.equal(await agreed(t, true, true), "TLS_AES_128_GCM_SHA256");
  assert.equal(await agreed(t, true, false), "TLS_CHACHA20_POLY1305_SHA256");
  assert.equal(await agreed(t, false, true), "TLS_CHACHA20_POLY1305_SHA256");
  assert.equal(await agreed(t, false, false), "TLS_CHACHA20_POLY1305_SHA256");
});

/** A clock on which each sample of AES takes the first of two times, each of ChaCha20 the second. */
function clock(aes: number, chacha: number): () => number {
  let reads = 0;
  let at = 0;
  return () => {
    if (reads % 2 === 1) at += reads < 6 ? aes : chacha;
    reads++;
    return at;
  };
}

test("a processor is told by what it does, a PC by what it is", () => {
  assert.equal(hasFastAes(clock(4, 1), "linux arm64"), false);
  assert.equal(hasFastAes(clock(1, 1.2), "linux arm64"), true);
  assert.equal(hasFastAes(clock(4, 1), "linux x64"), true);
  assert.equal(hasFastAes(clock(4, 1), "darwin arm64"), true);
  assert.equal(typeof hasFastAes(() => performance.now(), "linux arm"), "boolean");
});
