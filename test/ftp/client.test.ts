/** Our client against the servers of others, and our own. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { FtpBackend } from "../../controller/ftp/ftp-backend.ts";
import type { FtpOptions } from "../../controller/ftp/ftp-client.ts";
import { runProgram } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing, type PeerName } from "../peers.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";
import { CuttingProxy } from "./cutting-proxy.ts";
import { startFtpServer } from "./ftp-server.ts";
import { startPyftpdlib, startVsftpd } from "./other-servers.ts";
import { scratchFolder, writeRandom } from "./scratch.ts";

const MiB = 2 ** 20;
const NAMES = ["plain", "two  words", " led by a space", "it's", 'say "hi"', "grün €", "a;b=c", "-a", "100%"];

interface Server {
  readonly name: string;
  readonly peers: readonly PeerName[];
  readonly start: (t: TestContext, tls?: Certificates) => Promise<{ port: number; root: string }>;
}

const SERVERS: readonly Server[] = [
  { name: "vsftpd", peers: ["vsftpd"], start: startVsftpd },
  { name: "pyftpdlib", peers: ["pyftpdlib"], start: startPyftpdlib },
  { name: "our own server", peers: [], start: (t, tls) => startFtpServer(t, { tls }) },
];

const signal = AbortSignal.timeout(120_000);
const each = { recursive: false, signal };

async function open(t: TestContext, port: number, options: Partial<FtpOptions> = {}): Promise<FtpBackend> {
  const backend = await FtpBackend.open(
    {
      address: { host: "127.0.0.1", port },
      user: "anonymous",
      password: "x",
      passive: false,
      tls: false,
      ...options,
    },
    new PassThrough(),
    signal,
  );
  t.after(() => backend.close());
  return backend;
}

for (const { name, peers, start } of SERVERS) {
  test(`${name}: every verb, active and passive`, { skip: missing(...peers) }, async (t) => {
    const { port, root } = await start(t);
    const here = scratchFolder(t);
    const content = writeRandom(join(here, "bytes"), 70_001);
    for (const passive of [false, true]) {
      const backend = await open(t, port, { passive });
      const base = await backend.startFolder(signal);
      const folder = join(base, 'new "x" ü');
      await backend.makeFolder(folder, signal);
      for (const one of NAMES) {
        await backend.put([join(here, "bytes")], `${folder}/${one}`, each);
        await backend.get([`${folder}/${one}`], join(here, "back"), each);
        assert.deepEqual(readFileSync(join(here, "back")), content, one);
        const facts = await backend.stat(`${folder}/${one}`, signal);
        assert.deepEqual([facts.name, facts.type, facts.size], [one, "file", content.length]);
      }
      const listed = await backend.list(folder, signal);
      assert.deepEqual(
        listed.map((entry) => entry.name),
        [...NAMES].sort(),
      );
      assert.ok(listed.every(({ type, size }) => type === "file" && size === content.length));
      await backend.move(`${folder}/plain`, `${folder}/moved`, signal);
      await backend.remove(`${folder}/moved`, false, signal);
      await assert.rejects(backend.stat(`${folder}/moved`, signal), { code: "not-found" });
      await assert.rejects(backend.get([`${folder}/moved`], here, each), { code: "not-found" });
      await assert.rejects(backend.list(join(base, "missing"), signal), { code: "not-found" });
      assert.match(await backend.system(signal), /UNIX/);
      await backend.remove(folder, true, signal);
      assert.deepEqual(readdirSync(root), []);
      backend.close();
    }
  });

  test(`${name}: a tree there and back`, { skip: missing(...peers) }, async (t) => {
    const { port, root } = await start(t);
    const here = scratchFolder(t);
    mkdirSync(join(here, "tree/a b/c"), { recursive: true });
    mkdirSync(join(here, "tree/empty"));
    const content = writeRandom(join(here, "tree/a b/c/file"), 3 * MiB);
    writeFileSync(join(here, "tree/none"), "");
    const backend = await open(t, port);
    const base = await backend.startFolder(signal);
    const tree = join(base, "tree");
    await assert.rejects(backend.put([join(here, "tree")], base, each), { code: "invalid" });
    await backend.put([join(here, "tree")], base, { ...each, recursive: true });
    await assert.rejects(backend.get([tree], here, each), { code: "invalid" });
    mkdirSync(join(here, "back"));
    assert.equal(
      await backend.get([tree], join(here, "back"), { ...each, recursive: true }),
      `2 files, ${content.length} bytes`,
    );
    assert.deepEqual(readFileSync(join(here, "back/tree/a b/c/file")), content);
    assert.deepEqual(readdirSync(join(here, "back/tree")), ["a b", "empty", "none"]);
    await backend.remove(tree, true, signal);
    assert.deepEqual(readdirSync(root), []);
  });

  test(`${name}: 100 MiB each way, active and passive`, { skip: missing(...peers) }, async (t) => {
    const { port, root } = await start(t);
    const here = scratchFolder(t);
    const content = writeRandom(join(here, "big"), 100 * MiB);
    for (const passive of [false, true]) {
      const backend = await open(t, port, { passive });
      const there = join(await backend.startFolder(signal), "there");
      await backend.put([join(here, "big")], there, each);
      assert.ok(readFileSync(join(root, "there")).equals(content));
      await backend.get([there], join(here, "back"), each);
      assert.ok(readFileSync(join(here, "back")).equals(content));
      await backend.remove(there, false, signal);
      rmSync(join(here, "back"));
    }
  });

  test(`${name}: commands and data under TLS, active and passive`, {
    skip: missing("openssl", ...peers),
  }, async (t) => {
    const tls = makeCertificates(t);
    const { port, root } = await start(t, tls);
    const here = scratchFolder(t);
    const content = writeRandom(join(here, "bytes"), 5 * MiB);
    const tether = (options: readonly string[], authority: string) =>
      runProgram("tether", ["ftp", "--tls", ...options, `127.0.0.1:${port}`], {
        cwd: here,
        env: { NODE_EXTRA_CA_CERTS: authority },
        input: "put bytes there\nget there back\nls\nrm there\n",
      });
    const distrusting = await tether([], "");
    assert.equal(distrusting.code, 4);
    assert.match(distrusting.stderr, /certificate is not trusted/);
    for (const options of [[], ["--passive"]]) {
      const { code, stdout, stderr } = await tether(options, tls.authority);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /5242880 .* there/);
      assert.ok(readFileSync(join(here, "back")).equals(content));
      assert.deepEqual(readdirSync(root), []);
      rmSync(join(here, "back"));
    }
  });

  test(`${name}: goes on after a cut, both ways`, { skip: missing(...peers) }, async (t) => {
    const { port, root } = await start(t);
    const here = scratchFolder(t);
    const content = writeRandom(join(here, "big"), 20 * MiB);
    const proxy = await CuttingProxy.start(t, port);
    const backend = await open(t, proxy.port, { passive: true });
    const there = join(await backend.startFolder(signal), "there");
    proxy.cutAfter(7 * MiB);
    await backend.put([join(here, "big")], there, each);
    assert.equal(proxy.cuts, 1);
    assert.ok(readFileSync(join(root, "there")).equals(content));
    assert.ok(proxy.carried < 35 * MiB, `${proxy.carried} bytes were carried`);
    proxy.cutAfter(7 * MiB);
    await backend.get([there], join(here, "back"), each);
    assert.equal(proxy.cuts, 2);
    assert.ok(readFileSync(join(here, "back")).equals(content));
    assert.deepEqual(readdirSync(here).sort(), ["back", "big"]);
  });

  test(`${name}: a folder of 10,000 names`, { skip: missing(...peers) }, async (t) => {
    const { port, root } = await start(t);
    const names = Array.from({ length: 10_000 }, (_, n) => `name ${String(n).padStart(5, "0")}`);
    for (const one of names) writeFileSync(join(root, one), "");
    const backend = await open(t, port);
    const listed = await backend.list(await backend.startFolder(signal), signal);
    assert.deepEqual(
      listed.map((entry) => entry.name),
      names,
    );
  });
}

test("a second command of the same get goes on where a broken one stopped, unless the source has changed", async (t) => {
  const { port, root } = await startFtpServer(t);
  const here = scratchFolder(t);
  const content = writeRandom(join(root, "big"), 20 * MiB);
  const proxy = await CuttingProxy.start(t, port);
  const backend = await open(t, proxy.port, { passive: true });
  proxy.cutAfter(10 * MiB, { stayCut: true });
  const stop = new AbortController();
  const getting = backend.get(["/big"], join(here, "big"), { recursive: false, signal: stop.signal });
  await until(() => proxy.cuts === 1, "the cut");
  stop.abort();
  await assert.rejects(getting);
  const [left = ""] = readdirSync(here);
  assert.equal(readdirSync(here).length, 1, "what came is kept under a name of its own");
  const had = statSync(join(here, left)).size;
  assert.ok(had > 5 * MiB && had <= 10 * MiB, String(had));
  const again = await open(t, port);
  await again.get(["/big"], join(here, "big"), each);
  assert.ok(readFileSync(join(here, "big")).equals(content));
  assert.deepEqual(readdirSync(here), ["big"]);
});

test("a wrong password is `unauthorized`, with the server's own words", {
  skip: missing("pyftpdlib"),
}, async (t) => {
  const { port } = await startPyftpdlib(t);
  await assert.rejects(open(t, port, { user: "pi", password: "wrong" }), {
    code: "unauthorized",
    message: /^cannot log in as pi: the server says 530 Authentication failed\.$/,
  });
  await open(t, port, { user: "pi", password: "right one" });
});
