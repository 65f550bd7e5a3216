/** Who gets in, what he may do, and how those are got rid of who should not be there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { until } from "../firmware-bridge/until.ts";
import { needs } from "../peers.ts";
import { makeCertificates } from "./certificates.ts";
import { startFtpServer } from "./ftp-server.ts";
import { RawFtp } from "./raw-ftp.ts";

function passwordFile(t: TestContext, password: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tether-ftp-password-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "password");
  writeFileSync(path, password, { mode: 0o600 });
  return path;
}

// Mostly waiting for what is delayed on purpose.
suite("at the same time", { concurrency: true }, () => {
  test("the user of the configuration gets in by the password of the file, as it is now", async (t) => {
    const file = passwordFile(t, "right one \n");
    const { port, log } = await startFtpServer(t, { login: { user: "pi", passwordFile: file } });
    await RawFtp.logIn(t, port, "pi", "right one");
    writeFileSync(file, "another\r\n");
    await RawFtp.logIn(t, port, "pi", "another");
    const client = await RawFtp.connect(t, port);
    for (const [user, password] of [
      ["pi", "right one"],
      ["root", "another"],
    ]) {
      await client.expect(331, `USER ${user}`);
      await client.expect(530, `PASS ${password}`);
      await client.expect(530, "PWD");
    }
    assert.deepEqual(
      log.map(({ event }) => event),
      ["ftp-login", "ftp-login", "gateway-refused", "gateway-refused"],
    );
    assert.equal(log[0]?.user, "pi");
    assert.doesNotMatch(JSON.stringify(log), /right one|another/);
  });

  test("anonymous is nobody where there is a user, and a file that is gone lets nobody in", async (t) => {
    const file = passwordFile(t, "secret");
    const { port, log } = await startFtpServer(t, { login: { user: "pi", passwordFile: file } });
    const client = await RawFtp.connect(t, port);
    await client.expect(331, "USER anonymous");
    await client.expect(530, "PASS secret");
    rmSync(file);
    await client.expect(331, "USER pi");
    await client.expect(530, "PASS secret");
    const failed = log.find(({ event }) => event === "gateway-failed");
    assert.equal(failed?.level, "error");
  });

  test("the third wrong password ends the connection, and each is answered late", async (t) => {
    const { port } = await startFtpServer(t, { login: { user: "pi", passwordFile: passwordFile(t, "x") } });
    const client = await RawFtp.connect(t, port);
    const start = performance.now();
    for (const code of [530, 530, 421]) {
      await client.expect(331, "USER pi");
      await client.expect(code, "PASS y");
    }
    assert.ok(performance.now() - start > 2_500, "three answers within 2.5 s");
    await until(() => client.isClosed, "the end");
  });

  test("an address that has tried ten wrong passwords is refused without a look at the next one", async (t) => {
    const { port } = await startFtpServer(t, { login: { user: "pi", passwordFile: passwordFile(t, "x") } });
    // At the same time, or the delays would add up.
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const client = await RawFtp.connect(t, port);
        await client.expect(331, "USER pi");
        await client.expect(530, "PASS y");
      }),
    );
    const client = await RawFtp.connect(t, port);
    await client.expect(331, "USER pi");
    await client.expect(421, "PASS x");
  });

  test("a viewer reads, and every command that would change something is refused and noted", async (t) => {
    const { port, root, log } = await startFtpServer(t, { role: "viewer" });
    writeFileSync(join(root, "a"), "content");
    const client = await RawFtp.logIn(t, port);
    assert.equal(String(await client.download("RETR a")), "content");
    assert.match(String(await client.download("MLSD")), /perm=r;/);
    for (const [line, code] of [
      ["DELE a", 550],
      ["MKD b", 550],
      ["RMD b", 550],
      ["RNFR a", 550],
      ["STOR a", 553],
      ["APPE a", 553],
    ] as const) {
      await client.expect(code, line);
    }
    assert.equal(log.filter(({ event }) => event === "gateway-refused").length, 6);
    assert.ok(existsSync(join(root, "a")));
  });

  test("commands are counted, and those that failed by why", async (t) => {
    const { port, gateway } = await startFtpServer(t);
    const client = await RawFtp.logIn(t, port);
    const before = gateway.counts.calls;
    assert.ok(before > 0, "to log in takes commands");
    await client.expect(257, "PWD");
    await client.expect(550, "SIZE nothing");
    assert.equal(gateway.counts.calls, before + 2);
    assert.deepEqual([...gateway.counts.errors], [["not-found", 1]]);
  });

  test("more connections than allowed are told 421", async (t) => {
    const { port, gateway } = await startFtpServer(t, { limits: { connections: 2 } });
    await RawFtp.connect(t, port);
    const second = await RawFtp.connect(t, port);
    assert.equal(gateway.counts.connections, 2);
    const third = connect(port, "127.0.0.1");
    t.after(() => third.destroy());
    const [greeting] = await once(third.setEncoding("utf8"), "data");
    assert.match(String(greeting), /^421 /);
    await second.expect(221, "QUIT");
    await until(() => gateway.counts.connections === 1, "the place to be free");
    await RawFtp.logIn(t, port);
  });

  test("who is silent is told 421 and ended; who talks, transfers or waits for an answer is not", async (t) => {
    const { port } = await startFtpServer(t, { limits: { idle: 3_000 } });
    const silent = await RawFtp.connect(t, port);
    const talking = await RawFtp.logIn(t, port);
    const busy = await RawFtp.logIn(t, port);
    const upload = await busy.passive();
    await busy.expect(150, "STOR slow");
    const replies: Promise<void>[] = [];
    const talk = setInterval(() => {
      replies.push(talking.expect(200, "NOOP").then(() => undefined));
      upload.write(".");
    }, 250);
    t.after(() => clearInterval(talk));
    assert.equal((await silent.reply()).code, 421);
    // By its end the others have been there for longer than one may be silent.
    const later = await RawFtp.connect(t, port);
    assert.equal((await later.reply()).code, 421);
    clearInterval(talk);
    await Promise.all(replies);
    assert.ok(replies.length > 0);
    await until(() => silent.isClosed, "the end");
    upload.end();
    assert.equal((await busy.reply()).code, 226);
  });

  test("a stopped server says goodbye, and lets a transfer end that is under way", async (t) => {
    const { port, gateway } = await startFtpServer(t);
    const idle = await RawFtp.logIn(t, port);
    const busy = await RawFtp.logIn(t, port);
    const upload = await busy.passive();
    await busy.expect(150, "STOR a");
    const stopped = gateway.stop(AbortSignal.timeout(10_000));
    assert.equal((await idle.reply()).code, 421);
    upload.end("content");
    assert.equal((await busy.reply()).code, 226);
    await stopped;
  });

  test("AUTH, PBSZ and PROT come in their order, and protect what they say (RFC 4217)", async (t) => {
    if (!needs(t, "openssl")) return;
    const tls = makeCertificates(t);
    const { port, root } = await startFtpServer(t, { tls });
    writeFileSync(join(root, "a"), "content");
    const client = await RawFtp.connect(t, port);
    await client.expect(503, "PBSZ 0");
    await client.expect(503, "PROT P");
    await client.expect(504, "AUTH GSSAPI");
    assert.match(await client.expect(211, "FEAT"), /\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n/);
    await client.expect(234, "AUTH TLS");
    const ca = readFileSync(tls.authority);
    client.socket.removeAllListeners();
    const secured = connectTls({ socket: client.socket, ca, servername: "localhost" });
    secured.on("error", () => undefined);
    t.after(() => secured.destroy());
    await once(secured, "secureConnect");
    const lines = once(secured.setEncoding("utf8"), "data");
    secured.write("PROT P\r\n");
    assert.match(String(await lines), /^503 /);
    for (const [line, answer] of [
      ["AUTH TLS", /^503 /],
      ["PBSZ x", /^501 /],
      ["PBSZ 0", /^200 PBSZ=0/],
      ["PROT S", /^536 /],
      ["PROT X", /^504 /],
      ["PROT C", /^200 /],
      ["PROT P", /^200 /],
      ["USER ftp", /^331 /],
      ["PASS x", /^230 /],
    ] as const) {
      const reply = once(secured, "data");
      secured.write(`${line}\r\n`);
      assert.match(String(await reply), answer, line);
    }
  });

  test("what was sent in the clear behind AUTH does not count under the protection", async (t) => {
    if (!needs(t, "openssl")) return;
    const { port } = await startFtpServer(t, { tls: makeCertificates(t) });
    const client = await RawFtp.connect(t, port);
    client.send("AUTH TLS\r\nUSER ftp\r\nPASS x\r\n");
    await until(() => client.isClosed, "the end");
    assert.equal(client.received, "");
  });

  test("a handshake that is none ends the connection and nothing else", async (t) => {
    if (!needs(t, "openssl")) return;
    const { port, gateway } = await startFtpServer(t, { tls: makeCertificates(t) });
    const client = await RawFtp.connect(t, port);
    await client.expect(234, "AUTH TLS");
    client.send("this is no ClientHello\r\n");
    await until(() => gateway.counts.connections === 0, "the end");
    await RawFtp.logIn(t, port);
  });
});

test("who sends commands and reads no answers is held back, and then ended", async (t) => {
  const { port, gateway } = await startFtpServer(t, { limits: { idle: 1_000 } });
  const client = await RawFtp.logIn(t, port);
  client.socket.pause();
  const flood = Buffer.from("HELP\r\n".repeat(10_000));
  const write = (): void => {
    client.socket.write(flood, (error) => {
      if (error === null || error === undefined) write();
    });
  };
  write();
  const before = process.memoryUsage().rss;
  await until(() => gateway.counts.connections === 0, "the end", 20_000);
  client.socket.destroy();
  const grown = (process.memoryUsage().rss - before) / 2 ** 20;
  assert.ok(grown < 100, `${grown.toFixed(0)} MiB more`);
});
