/** The FTP server as its owner meets it: in the configuration, in the log, and beside the agent's other ways. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram, startAgent, succeeded } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { needs } from "../peers.ts";
import { makeCertificates } from "./certificates.ts";
import { scratchFolder } from "./scratch.ts";

test("an agent serves over FTP what its controllers put, under one login with TLS", async (t) => {
  if (!needs(t, "openssl")) return;
  const folder = scratchFolder(t);
  const { certificate, key, authority } = makeCertificates(t);
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "s3cret\n", { mode: 0o600 });
  const [port = 0, open = 0] = await freePorts(2);
  const agent = await startAgent(t, {
    configuration: {
      gateways: [
        { kind: "ftp", port, role: "operator", user: "pi", passwordFile, tls: { certificate, key } },
        { kind: "ftp", port: open, host: "0.0.0.0" },
      ],
    },
  });
  const warning = await agent.line("gateway-open", ({ port: of }) => of === open);
  assert.match(warning.message, /everybody who reaches it may read all files/);
  assert.ok(!agent.log.some((line) => line.event === "gateway-open" && line.port === port));
  const status = JSON.parse(succeeded(await agent.tetherd(["status", "--json"])).stdout);
  assert.deepEqual(status.gateways, [
    { kind: "ftp", address: "127.0.0.1", port },
    { kind: "ftp", address: "0.0.0.0", port: open },
  ]);

  await agent.pair();
  writeFileSync(join(folder, "from here"), "content");
  succeeded(await agent.tether(["put", "from here", ":there"], { cwd: folder }));
  const ftp = (input: string, ...args: string[]) =>
    runProgram("tether", ["ftp", ...args], {
      cwd: folder,
      home: folder,
      input,
      env: { NODE_EXTRA_CA_CERTS: authority },
    });
  const own = ["--password-file", passwordFile, "--tls", `pi@127.0.0.1:${port}`];
  succeeded(await ftp("get there back\nput back again\n", ...own));
  assert.equal(readFileSync(join(folder, "back"), "utf8"), "content");
  assert.equal(succeeded(await agent.tether(["cat", ":again"])).stdout, "content");
  await agent.line("files-written", ({ target }) => target === "/again");

  const stranger = await ftp("ls\nput back no\n", `127.0.0.1:${open}`);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stdout, /again\n.*there\n/);
  assert.match(stranger.stderr, /553 .*you may only read here/);
  await agent.line("gateway-refused", ({ message }) => /you may only read/.test(message));

  // A new password holds at once, and what can be said about the file is said at the start.
  writeFileSync(passwordFile, "another\n");
  assert.equal((await ftp("ls\n", ...own)).code, 0);
  writeFileSync(join(folder, "old"), "s3cret\n");
  const old = ["--password-file", join(folder, "old"), "--tls", `pi@127.0.0.1:${port}`];
  assert.equal((await ftp("ls\n", ...old)).code, 4);
  assert.equal(await agent.stop(), 0);
  assert.doesNotMatch(JSON.stringify(agent.log), /s3cret|another/);
  assert.equal(agent.stderr, "");
});

test("a certificate or a port that cannot be had is told, and the agent goes on", async (t) => {
  const [port = 0] = await freePorts(1);
  const agent = await startAgent(t, {
    configuration: {
      gateways: [
        { kind: "ftp", port, tls: { certificate: "/nowhere/certificate.pem", key: "/nowhere/key.pem" } },
      ],
    },
  });
  const failed = await agent.line("gateway-failed");
  assert.match(failed.message, /\/nowhere\/certificate\.pem/);
  assert.deepEqual(JSON.parse(succeeded(await agent.tetherd(["status", "--json"])).stdout).gateways, []);
});
