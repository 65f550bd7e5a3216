/** What the RFCs say of single commands, by a client that says just that. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startFtpServer } from "./ftp-server.ts";
import { RawFtp } from "./raw-ftp.ts";

/** Sends commands in turn; each has to be answered with its code. */
async function converse(client: RawFtp, table: readonly (readonly [string, number])[]): Promise<void> {
  for (const [line, code] of table) {
    const { code: got, text } = await client.command(line);
    assert.equal(got, code, `${line}: ${text}`);
  }
}

test("before logging in there is 530, for what is no command 500, for what is none here 502", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.connect(t, port);
  await converse(client, [
    ["PWD", 530],
    ["RETR x", 530],
    ["PASV", 530],
    ["STAT /", 530],
    ["PASS x", 503],
    ["USER somebody", 331],
    ["PASS x", 530],
    ["NOOP", 200],
    ["FEAT", 211],
    ["HELP", 214],
    ["STAT", 211],
    ["XYZZY", 500],
    ["", 500],
    ["GET / HTTP/1.1", 500],
    ["ACCT x", 502],
    ["STOU", 502],
    ["AUTH TLS", 502],
    ["PBSZ 0", 502],
    ["PROT P", 502],
    ["QUIT", 221],
  ]);
});

test("bad syntax is 501, a wrong order 503, an unknown parameter 504", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  await converse(client, [
    ["USER", 501],
    ["CWD", 501],
    ["CWD ", 501],
    ["PWD x", 501],
    ["PASV 1", 501],
    ["TYPE", 501],
    ["TYPE X", 501],
    ["TYPE E", 504],
    ["TYPE A T", 504],
    ["TYPE L 7", 504],
    ["TYPE L 8", 200],
    ["type a n", 200],
    ["TYPE I", 200],
    ["MODE S", 200],
    ["MODE B", 504],
    ["MODE X", 501],
    ["STRU F", 200],
    ["STRU R", 504],
    ["STRU X", 501],
    ["PORT 1,2,3", 501],
    ["EPRT |1|127.0.0.1|", 501],
    ["EPRT |3|x|2000|", 522],
    ["EPSV 2", 522],
    ["EPSV x", 501],
    ["REST x", 501],
    ["REST -1", 501],
    ["REST 99999999999999999999", 501],
    ["RNTO x", 503],
    ["OPTS UTF8 ON", 200],
    ["OPTS UTF8 OFF", 504],
    ["OPTS X", 501],
    ["ALLO x", 501],
    ["ALLO 10", 202],
    ["SITE HELP", 214],
    ["SITE EXEC x", 504],
    ["HELP RETR", 214],
    ["HELP X", 502],
    ["SYST", 215],
    ["ABOR", 226],
    ["RETR nothing", 550],
    ["LIST nothing", 550],
    ["SIZE nothing", 550],
    ["MDTM nothing", 550],
    ["CWD nothing", 550],
    ["DELE nothing", 550],
    ["RMD nothing", 550],
    ["RNFR nothing", 550],
    ["MLST nothing", 550],
    ["STAT nothing", 550],
    ["LIST", 425],
    ["STOR x", 425],
  ]);
});

test("a bounce is refused: data goes to the client's own address only, and to no port below 1024", async (t) => {
  const { port, log } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  await converse(client, [
    ["PORT 127,0,0,2,100,1", 504],
    ["PORT 10,0,0,1,100,1", 504],
    ["EPRT |1|127.0.0.2|25601|", 504],
    ["EPRT |2|::1|25601|", 504],
    ["PORT 127,0,0,1,3,255", 504],
    ["EPRT |1|127.0.0.1|1023|", 504],
    ["EPRT |1|127.0.0.1|1024|", 200],
    ["PORT 127,0,0,1,4,0", 200],
    // Nobody listens there.
    ["LIST", 150],
  ]);
  assert.equal((await client.reply()).code, 425);
  const refused = log.filter(({ event }) => event === "gateway-refused");
  assert.equal(refused.length, 6);
  assert.match(String(refused[0]?.message), /127\.0\.0\.2 port 25601/);
});

test("after EPSV ALL only EPSV arranges data (RFC 2428 §4)", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  await converse(client, [
    ["EPSV ALL", 200],
    ["PASV", 503],
    ["PORT 127,0,0,1,100,1", 503],
    ["EPRT |1|127.0.0.1|25601|", 503],
    ["EPSV 1", 229],
  ]);
});

const hasIpv6 = Object.values(networkInterfaces()).some((one) =>
  one?.some(({ address }) => address === "::1"),
);

test("over IPv6 EPSV and EPRT work, and PASV says so", { skip: !hasIpv6 && "no IPv6 here" }, async (t) => {
  const { port, root } = await startFtpServer(t, { host: "::" });
  writeFileSync(join(root, "a"), "content");
  const client = await RawFtp.connect(t, port, "::1");
  await converse(client, [
    ["USER ftp", 331],
    ["PASS x", 230],
    ["PASV", 502],
    ["EPSV 1", 522],
    ["PORT 127,0,0,1,100,1", 504],
    ["EPRT |2|0:0::1|25601|", 200],
  ]);
  assert.equal(String(await client.download("RETR a")), "content");
  // IPv4 on the same socket is IPv4.
  const other = await RawFtp.logIn(t, port);
  assert.match(await other.expect(227, "PASV"), /\(127,0,0,1,\d+,\d+\)/);
});

test("a quote in a path is doubled in 257, and a path is what it says", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  assert.match(await client.expect(257, 'MKD a "b" c'), /^257 "\/a ""b"" c" /);
  await client.expect(250, 'CWD a "b" c');
  assert.match(await client.expect(257, "PWD"), /^257 "\/a ""b"" c" /);
  assert.match(await client.expect(257, "MKD ü/../x"), /^257 "\/a ""b"" c\/x" /);
  await client.expect(250, "CDUP");
  // There is nothing above the root.
  await client.expect(250, "CDUP");
  await client.expect(250, "CWD ../../..");
  assert.match(await client.expect(257, "XPWD"), /^257 "\/" /);
  await client.expect(550, 'RMD a "b" c');
  await client.expect(550, 'DELE a "b" c');
  await client.expect(250, 'RMD a "b" c/x');
  await client.expect(250, 'RMD a "b" c');
  await client.expect(550, "MKD missing/x");
  await client.expect(550, "RNFR /");
});

test("names are moved, and neither over a folder nor out of the root", async (t) => {
  const { port, root } = await startFtpServer(t);
  mkdirSync(join(root, "folder"));
  writeFileSync(join(root, "a"), "of a");
  writeFileSync(join(root, "b"), "of b");
  symlinkSync("/etc", join(root, "out"));
  const client = await RawFtp.logIn(t, port);
  await converse(client, [
    ["RNFR a", 350],
    ["RNTO folder", 553],
    ["RNTO folder/a", 503],
    ["RNFR a", 350],
    ["NOOP", 200],
    ["RNTO b", 250],
    ["SIZE a", 550],
    ["RNFR b", 350],
    ["RNTO missing/b", 553],
    ["RNFR b", 350],
    ["RNTO out/b", 553],
    ["CWD out", 550],
    ["RETR out/passwd", 550],
    ["MKD out/x", 550],
    ["DELE out/passwd", 550],
    ["DELE out", 250],
  ]);
  assert.equal(readFileSync(join(root, "b"), "utf8"), "of a");
});

test("MLST, MLSD, MDTM, SIZE and the facts that a client chooses (RFC 3659)", async (t) => {
  const { port, root } = await startFtpServer(t);
  writeFileSync(join(root, "a b"), "12345", { mode: 0o640 });
  mkdirSync(join(root, "folder"), { mode: 0o755 });
  symlinkSync("a b", join(root, "odd"));
  symlinkSync("folder", join(root, "link"));
  writeFileSync(join(root, "line\nbreak"), "");
  const time = new Date("2024-02-03T04:05:06.789Z");
  utimesSync(join(root, "a b"), time, time);
  const client = await RawFtp.logIn(t, port);
  assert.match(await client.expect(213, "MDTM a b"), /^213 20240203040506\.789\r\n$/);
  assert.match(await client.expect(213, "SIZE a b"), /^213 5\r\n$/);
  assert.match(await client.expect(213, "SIZE odd"), /^213 5\r\n$/);
  await client.expect(550, "SIZE folder");
  await client.expect(200, "TYPE A");
  await client.expect(550, "SIZE a b");
  assert.match(await client.expect(211, "FEAT"), /\r\n MLST type\*;size\*;modify\*;perm\*;UNIX\.mode\*;\r\n/);
  assert.equal(
    await client.expect(250, "MLST a b"),
    "250-what is known of /a b\r\n type=file;size=5;modify=20240203040506.789;perm=adfrw;UNIX.mode=0640; /a b\r\n250 end\r\n",
  );
  await client.expect(501, "MLSD a b");
  assert.match(await client.expect(200, "OPTS MLST Type;size;nonsense"), /MLST OPTS type;size;\r\n$/);
  assert.match(await client.expect(211, "FEAT"), /MLST type\*;size\*;modify;perm;UNIX\.mode;\r\n/);
  const lines = String(await client.download("MLSD"))
    .split("\r\n")
    .sort();
  assert.deepEqual(lines, [
    "",
    "type=OS.unix=slink:folder; link",
    "type=OS.unix=symlink; odd",
    "type=dir; folder",
    "type=file;size=0; line?break",
    "type=file;size=5; a b",
  ]);
  assert.match(await client.expect(200, "OPTS MLST"), /MLST OPTS\r\n$/);
  await client.expect(250, "CWD link");
});

test("LIST is as ls -l, NLST has names for the next command, both take patterns and options", async (t) => {
  const { port, root } = await startFtpServer(t);
  mkdirSync(join(root, "sub"));
  writeFileSync(join(root, "sub/a.txt"), "1234", { mode: 0o644 });
  writeFileSync(join(root, "sub/b.txt"), "");
  writeFileSync(join(root, "sub/.hidden"), "");
  symlinkSync("a.txt", join(root, "sub/link"));
  const old = new Date("2001-02-03T04:05:06Z");
  utimesSync(join(root, "sub/a.txt"), old, old);
  const client = await RawFtp.logIn(t, port);
  const names = async (line: string) =>
    String(await client.download(line))
      .split("\r\n")
      .slice(0, -1);
  assert.deepEqual(await names("NLST"), ["sub"]);
  assert.deepEqual(await names("NLST sub"), ["sub/.hidden", "sub/a.txt", "sub/b.txt", "sub/link"]);
  assert.deepEqual(await names("NLST sub/*.txt"), ["sub/a.txt", "sub/b.txt"]);
  assert.deepEqual(await names("NLST -a sub/a.txt"), ["sub/a.txt"]);
  assert.deepEqual(await names("NLST *.none"), []);
  const long = await names("LIST -la sub");
  assert.equal(long[1], "-rw-r--r-- 1 tether tether            4 Feb  3  2001 a.txt");
  assert.match(String(long[2]), /^-rw-r--r-- 1 tether tether +0 [A-Z][a-z]{2} [ \d]\d \d\d:\d\d b\.txt$/);
  assert.match(String(long[3]), /^lrwxrwxrwx .* link -> a\.txt$/);
  assert.deepEqual(await names("LIST sub/a.txt"), [
    "-rw-r--r-- 1 tether tether            4 Feb  3  2001 sub/a.txt",
  ]);
  const status = await client.expect(212, "STAT sub");
  assert.ok(status.startsWith("212-/sub\r\n-rw"), status);
  assert.match(await client.expect(213, "STAT sub/a.txt"), /\r\n-rw-r--r-- .* a\.txt\r\n213 end\r\n$/);
});

test("a listing of 12,000 names is whole", async (t) => {
  const { port, root } = await startFtpServer(t);
  const names = Array.from({ length: 12_000 }, (_, n) => `name ${String(n).padStart(5, "0")}`);
  for (const name of names) writeFileSync(join(root, name), "");
  const client = await RawFtp.logIn(t, port);
  assert.deepEqual(
    String(await client.download("NLST"))
      .split("\r\n")
      .slice(0, -1),
    names,
  );
});

test("text goes with the network's line ends and is kept with this system's", async (t) => {
  const { port, root } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  await client.expect(200, "TYPE A");
  assert.equal(await client.upload("STOR t", "one\r\ntwo\rthree\n\r\nend\r"), 226);
  assert.equal(readFileSync(join(root, "t"), "utf8"), "one\ntwo\rthree\n\nend\r");
  assert.equal(String(await client.download("RETR t")), "one\r\ntwo\rthree\r\n\r\nend\r");
  await client.expect(350, "REST 3");
  await client.passive();
  await client.expect(504, "RETR t");
});

test("a client that sends many commands at once gets all answers in order", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.logIn(t, port);
  client.send(Array.from({ length: 5_000 }, (_, n) => (n % 2 === 0 ? "NOOP\r\n" : "PWD\r\n")).join(""));
  for (let n = 0; n < 5_000; n++) assert.equal((await client.reply()).code, n % 2 === 0 ? 200 : 257);
});

test("what looks like HTTP is ended without an answer", async (t) => {
  const { port } = await startFtpServer(t);
  const client = await RawFtp.connect(t, port);
  client.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER anonymous\r\nPASS x\r\nDELE a\r\n");
  await assert.rejects(client.reply(), /no reply but ""/);
});
