/** Data connections, and what becomes of files: whole, old, or gone on with. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { until } from "../firmware-bridge/until.ts";
import { startFtpServer } from "./ftp-server.ts";
import { RawFtp } from "./raw-ftp.ts";

const MiB = 2 ** 20;

test("a file that is being written is in no listing, and its old content is read meanwhile", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), "old", { mode: 0o600 });
  const writer = await RawFtp.logIn(t, port);
  const data = await writer.passive();
  await writer.expect(150, "STOR a");
  data.write(randomBytes(3 * MiB));
  await until(() => readdirSync(root).length === 2, "the partial file");
  const reader = await RawFtp.logIn(t, port);
  assert.equal(String(await reader.download("NLST")), "a\r\n");
  assert.equal(String(await reader.download("RETR a")), "old");
  const second = await reader.passive();
  await reader.expect(450, "STOR a");
  second.destroy();
  for (const name of readdirSync(root).filter((one) => one !== "a")) {
    await reader.expect(550, `DELE ${name}`);
    await reader.expect(550, `SIZE ${name}`);
    await reader.expect(550, `RETR ${name}`);
  }
  data.end();
  assert.equal((await writer.reply()).code, 226);
  assert.deepEqual(readdirSync(root), ["a"]);
  assert.equal(statSync(join(root, "a")).size, 3 * MiB);
  assert.equal(statSync(join(root, "a")).mode & 0o777, 0o600, "the mode stays that of the old file");
});

test("ABOR, also as Telnet has it, leaves the old file and nothing of the new one", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), "old");
  const client = await RawFtp.logIn(t, port);
  for (const abort of [Buffer.from("ABOR\r\n"), Buffer.from([255, 244, 255, 242, 65, 66, 79, 82, 13, 10])]) {
    const data = await client.passive();
    await client.expect(150, "STOR a");
    data.write(randomBytes(2 * MiB));
    await until(() => readdirSync(root).length === 2, "the partial file");
    assert.match(await client.expect(211, "STAT"), /a transfer is under way/);
    client.send(abort);
    assert.equal((await client.reply()).code, 426);
    assert.equal((await client.reply()).code, 226);
    assert.deepEqual(readdirSync(root), ["a"]);
    assert.equal(readFileSync(join(root, "a"), "utf8"), "old");
    assert.match(await client.expect(213, "SIZE a"), /^213 3/);
  }
});

test("ABOR ends a download, and one that waits for its data connection", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), Buffer.alloc(50 * MiB));
  const client = await RawFtp.logIn(t, port);
  const data = await client.passive();
  data.pause();
  await client.expect(150, "RETR a");
  client.send("ABOR\r\n");
  assert.equal((await client.reply()).code, 426);
  assert.equal((await client.reply()).code, 226);
  await client.expect(229, "EPSV");
  await client.expect(150, "RETR a");
  client.send("ABOR\r\n");
  assert.equal((await client.reply()).code, 426);
  assert.equal((await client.reply()).code, 226);
  assert.equal((await client.download("RETR a")).length, 50 * MiB);
});

test("a data connection from another address is closed, and the client's own still comes", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), "content");
  const client = await RawFtp.logIn(t, port);
  const reply = await client.expect(227, "PASV");
  const [high = 0, low = 0] = (/(\d+),(\d+)\)/.exec(reply) ?? []).slice(1).map(Number);
  const options = { port: high * 256 + low, host: "127.0.0.1" };
  const thief = connect({ ...options, localAddress: "127.0.0.9" });
  thief.on("error", () => undefined);
  const stolen = buffer(thief).catch(() => Buffer.alloc(0));
  await once(thief, "connect");
  assert.equal((await stolen).length, 0);
  const own = connect(options);
  const content = buffer(own);
  await client.expect(150, "RETR a");
  assert.equal(String(await content), "content");
  assert.equal((await client.reply()).code, 226);
});

test("passive ports are those of the range, and 425 says that none is free", async (t) => {
  const { port } = await startFtpServer(t, { passivePorts: { from: 21_990, to: 21_991 } });
  const clients = await Promise.all([1, 2, 3].map(() => RawFtp.logIn(t, port)));
  const [one, two, three] = clients as [RawFtp, RawFtp, RawFtp];
  const ports = [await one.expect(229, "EPSV"), await two.expect(229, "EPSV")].map((text) =>
    Number(/\d{5}/.exec(text)?.[0]),
  );
  assert.deepEqual(ports.sort(), [21_990, 21_991]);
  await three.expect(425, "EPSV");
  await one.expect(200, "PORT 127,0,0,1,100,1");
  await three.expect(229, "EPSV");
  // One's own place is free for oneself.
  await three.expect(229, "EPSV");
});

test("REST goes on with a download and an upload at any byte, and no further than there are bytes", async (t) => {
  const { port, root } = await startFtpServer(t);
  const content = randomBytes(3 * MiB + 7);
  writeFileSync(join(root, "a"), content);
  const client = await RawFtp.logIn(t, port);
  await client.expect(350, `REST ${2 * MiB + 3}`);
  assert.deepEqual(await client.download("RETR a"), content.subarray(2 * MiB + 3));
  await client.expect(350, `REST ${content.length}`);
  assert.equal((await client.download("RETR a")).length, 0);
  await client.passive();
  await client.expect(350, `REST ${content.length + 1}`);
  await client.expect(554, "RETR a");
  // A REST is for the next transfer only.
  assert.deepEqual(await client.download("RETR a"), content);

  const tail = randomBytes(2 * MiB);
  await client.expect(350, `REST ${MiB}`);
  assert.equal(await client.upload("STOR a", tail), 226);
  assert.deepEqual(readFileSync(join(root, "a")), Buffer.concat([content.subarray(0, MiB), tail]));
  assert.equal(await client.upload("APPE a", "end"), 226);
  assert.equal(readFileSync(join(root, "a")).length, 3 * MiB + 3);
  assert.equal(await client.upload("APPE new", "end"), 226);
  await client.passive();
  await client.expect(350, "REST 9");
  await client.expect(554, "STOR new");
  assert.deepEqual(readdirSync(root), ["a", "new"]);
});

test("an upload that broke is gone on with by its user, and seen by nobody else", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), "the old file");
  const content = randomBytes(5 * MiB);
  const client = await RawFtp.logIn(t, port);
  const data = await client.passive();
  await client.expect(150, "STOR a");
  await new Promise((resolve) => data.write(content.subarray(0, 3 * MiB), resolve));
  await until(() => sizeOfPartial(root) >= 2 * MiB, "the first part");
  data.resetAndDestroy();
  assert.equal((await client.reply()).code, 426);
  assert.equal(readFileSync(join(root, "a"), "utf8"), "the old file");
  assert.equal(String(await client.download("NLST")), "a\r\n");

  const again = await RawFtp.logIn(t, port);
  const arrived = Number((await again.expect(213, "SIZE a")).slice(4));
  assert.ok(arrived >= 2 * MiB && arrived <= 3 * MiB, String(arrived));
  const stranger = await RawFtp.logIn(t, port, "ftp");
  assert.match(await stranger.expect(213, "SIZE a"), /^213 12\r\n/);
  await again.expect(350, `REST ${arrived - 5}`);
  assert.equal(await again.upload("STOR a", content.subarray(arrived - 5)), 226);
  assert.deepEqual(readFileSync(join(root, "a")), content);
  assert.deepEqual(readdirSync(root), ["a"]);
});

test("an upload whose control connection is lost is not taken for whole; APPE goes on with it", async (t) => {
  const { port, root, log } = await startFtpServer(t);
  const content = randomBytes(2 * MiB);
  const client = await RawFtp.logIn(t, port);
  const data = await client.passive();
  await client.expect(150, "STOR a");
  await new Promise((resolve) => data.write(content.subarray(0, MiB), resolve));
  // As the system does it for a program that was killed: the data ends as if that was all.
  client.socket.destroy();
  data.end();
  await until(() => log.some(({ event }) => event === "files-not-written"), "the end of it");
  const again = await RawFtp.logIn(t, port);
  assert.equal(String(await again.download("NLST")), "");
  const arrived = Number((await again.expect(213, "SIZE a")).slice(4));
  assert.equal(await again.upload("APPE a", content.subarray(arrived)), 226);
  assert.deepEqual(readFileSync(join(root, "a")), content);
});

test("a broken upload ends with a new STOR, with DELE, and with the server", async (t) => {
  const { port, root, gateway } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  const breakOff = async (name: string): Promise<void> => {
    const data = await client.passive();
    await client.expect(150, `STOR ${name}`);
    await new Promise((resolve) => data.write(Buffer.alloc(MiB), resolve));
    await until(() => sizeOfPartial(root) === MiB, "the first part");
    data.resetAndDestroy();
    assert.equal((await client.reply()).code, 426);
  };
  await breakOff("a");
  assert.equal(await client.upload("STOR a", "new"), 226);
  assert.deepEqual(readdirSync(root), ["a"]);
  await breakOff("b");
  await client.expect(550, "DELE b");
  await client.expect(550, "SIZE b");
  assert.deepEqual(readdirSync(root), ["a"]);
  await breakOff("c");
  assert.equal(readdirSync(root).length, 2);
  await gateway.stop(AbortSignal.abort());
  assert.deepEqual(readdirSync(root), ["a"]);
});

test("what does not fit the quota is 552, and leaves nothing", async (t) => {
  const { port, root } = await startFtpServer(t, { quota: 4 * MiB });
  const client = await RawFtp.logIn(t, port);
  assert.equal(await client.upload("STOR a", Buffer.alloc(3 * MiB + 512)), 226);
  assert.equal(await client.upload("STOR b", Buffer.alloc(2 * MiB)), 552);
  assert.deepEqual(readdirSync(root), ["a"]);
  assert.equal(await client.upload("STOR b", Buffer.alloc(MiB - 512)), 226);
  assert.equal(await client.upload("STOR c", "x"), 552);
  // What is replaced makes room for what replaces it.
  assert.equal(await client.upload("STOR a", Buffer.alloc(3 * MiB + 512)), 226);
  await client.expect(250, "DELE a");
  assert.equal(await client.upload("STOR c", Buffer.alloc(3 * MiB)), 226);
});

test("a folder that is gone, a name that is a folder and a name that cannot be are 553 for STOR", async (t) => {
  const { port, root } = await startFtpServer(t);
  mkdirSync(join(root, "folder"));
  mkdirSync(join(root, "going"));
  const client = await RawFtp.logIn(t, port);
  for (const name of ["missing/a", "folder", "x".repeat(256), "/", ".tether-0123456789abcdef.part"]) {
    await client.passive();
    await client.expect(553, `STOR ${name}`);
  }
  const data = await client.passive();
  await client.expect(150, "STOR going/a");
  rmSync(join(root, "going"), { recursive: true });
  data.end("content");
  assert.equal((await client.reply()).code, 550);
  assert.deepEqual(readdirSync(root), ["folder"]);
});

test("twenty clients at once move their files at once", async (t) => {
  const { port, root } = await startFtpServer(t);
  await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const content = randomBytes(MiB + n);
      const client = await RawFtp.logIn(t, port);
      for (;;) {
        const socket = await client.passive();
        const { code } = await client.command(`STOR ${n}`);
        // No more than so many transfers at once; the client comes again.
        if (code === 450) {
          socket.destroy();
          continue;
        }
        assert.equal(code, 150);
        socket.end(content);
        assert.equal((await client.reply()).code, 226);
        break;
      }
      assert.deepEqual(readFileSync(join(root, String(n))), content);
    }),
  );
  assert.equal(readdirSync(root).length, 20);
});

test("active mode connects from the address that the client has connected to", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a"), "content");
  const client = await RawFtp.logIn(t, port);
  const { arrived } = await client.active();
  await client.expect(150, "RETR a");
  const socket = await arrived;
  assert.equal(socket.remoteAddress, "127.0.0.1");
  assert.equal(String(await buffer(socket)), "content");
  assert.equal((await client.reply()).code, 226);
});

function sizeOfPartial(root: string): number {
  const name = readdirSync(root).find((one) => one.startsWith(".tether-"));
  return name === undefined ? 0 : statSync(join(root, name)).size;
}
