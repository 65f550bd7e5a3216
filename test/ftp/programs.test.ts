/** The FTP clients that people have, against our server. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs, PYTHON } from "../peers.ts";
import { makeCertificates } from "./certificates.ts";
import { startFtpServer } from "./ftp-server.ts";
import { run, runProgram } from "./program.ts";
import { scratchFolder, writeRandom } from "./scratch.ts";

const MiB = 2 ** 20;

const FTPLIB = `
import ftplib, hashlib, io, ssl, sys
port, authority = int(sys.argv[1]), sys.argv[2]
plain = ftplib.FTP(encoding="utf-8")
secured = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=authority), encoding="utf-8")
content = bytes(range(256)) * 8192
name = 'sp ace "quoted" grün.bin'
for ftp in (plain, secured):
    ftp.connect("127.0.0.1", port, timeout=20)
    ftp.login()
    if ftp is secured: ftp.prot_p()
    for passive in (True, False):
        ftp.set_pasv(passive)
        ftp.mkd("new folder")
        ftp.cwd("new folder")
        assert ftp.pwd() == "/new folder"
        ftp.storbinary("STOR " + name, io.BytesIO(content))
        assert ftp.size(name) == len(content)
        got = io.BytesIO()
        ftp.retrbinary("RETR " + name, got.write)
        assert got.getvalue() == content
        got = io.BytesIO()
        ftp.retrbinary("RETR " + name, got.write, rest=1000)
        assert got.getvalue() == content[1000:]
        ftp.storbinary("STOR " + name, io.BytesIO(b"tail"), rest=10)
        ftp.storbinary("APPE " + name, io.BytesIO(b"end"))
        assert ftp.size(name) == 17
        ftp.storlines("STOR lines.txt", io.BytesIO(b"one\\ntwo\\n"))
        lines = []
        ftp.retrlines("RETR lines.txt", lines.append)
        assert lines == ["one", "two"]
        assert ftp.nlst() == ["lines.txt", name]
        facts = dict(ftp.mlsd(facts=["type", "size"]))
        assert facts["lines.txt"] == {"type": "file", "size": "8"}, facts
        listed = []
        ftp.retrlines("LIST", listed.append)
        assert len(listed) == 2 and listed[1].endswith(name), listed
        ftp.rename(name, "b")
        ftp.delete("b")
        ftp.delete("lines.txt")
        ftp.cwd("..")
        ftp.rmd("new folder")
        assert ftp.nlst() == []
    try:
        ftp.sendcmd("TYPE I")
        data = ftp.transfercmd("STOR aborted")
        data.send(b"x" * 1000)
        print(ftp.abort())
        print(ftp.getresp())
    except ftplib.all_errors as error:
        raise SystemExit(repr(error))
    assert ftp.nlst() == []
    ftp.quit()
`;

test("Python's ftplib does all that it can, active and passive, plain and with TLS", async (t) => {
  if (!needs(t, "python3", "openssl")) return;
  const tls = makeCertificates(t);
  const { port, root } = await startFtpServer(t, { tls });
  const said = await run(PYTHON, ["-c", FTPLIB, String(port), tls.authority]);
  assert.match(said, /^426 .*\n226 .*\n426 .*\n226 .*\n$/);
  assert.deepEqual(readdirSync(root), []);
});

test("curl sends, reads, goes on and lists, active and passive, plain and with TLS", async (t) => {
  if (!needs(t, "curl", "openssl")) return;
  const tls = makeCertificates(t);
  const { port, root } = await startFtpServer(t, { tls });
  const cwd = scratchFolder(t);
  const content = writeRandom(join(cwd, "big"), 5 * MiB);
  const base = `ftp://127.0.0.1:${port}`;
  const secured = ["--ssl-reqd", "--cacert", tls.authority];
  for (const options of [[], ["--ftp-port", "127.0.0.1"], secured]) {
    const curl = (...args: string[]) => run("curl", ["-sS", ...options, ...args], { cwd });
    await curl("--ftp-create-dirs", "-T", "big", `${base}/a/b%20c/big`);
    assert.deepEqual(readFileSync(join(root, "a/b c/big")), content);
    writeFileSync(join(cwd, "back"), content.subarray(0, 2 * MiB));
    await curl("-C", "-", "-o", "back", `${base}/a/b%20c/big`);
    assert.deepEqual(readFileSync(join(cwd, "back")), content);
    writeFileSync(join(root, "a/b c/big"), content.subarray(0, 2 * MiB));
    await curl("-C", "-", "-T", "big", `${base}/a/b%20c/big`);
    assert.deepEqual(readFileSync(join(root, "a/b c/big")), content);
    assert.match(await curl(`${base}/a/`), /^drwx.* b c\n$/);
    await curl("-Q", "-DELE a/b c/big", "-Q", "-RMD a/b c", "-Q", "-RMD a", `${base}/`);
    assert.deepEqual(readdirSync(root), []);
  }
  const { code } = await runProgram("curl", ["-sS", `${base}/missing`]);
  assert.equal(code, 78, "curl's code for 550");
});

test("lftp mirrors a tree both ways, with TLS in passive mode and without in active mode", async (t) => {
  if (!needs(t, "lftp", "openssl")) return;
  const tls = makeCertificates(t);
  const { port, root } = await startFtpServer(t, { tls });
  const cwd = scratchFolder(t);
  const files = new Map<string, Buffer>();
  for (const folder of ["", "a b/", "a b/ü 'x'/"]) {
    mkdirSync(join(cwd, "tree", folder), { recursive: true });
    for (const [name, size] of [
      ["empty", 0],
      ["some bytes", 1000],
      ["more", 2 * MiB],
    ] as const) {
      files.set(folder + name, writeRandom(join(cwd, "tree", folder, name), size));
    }
  }
  for (const settings of [
    `set ssl:ca-file ${tls.authority}; set ftp:ssl-force true; set ftp:ssl-protect-data true`,
    "set ftp:ssl-allow false; set ftp:passive-mode false",
  ]) {
    const script = `${settings}; open ftp://anonymous:x@127.0.0.1:${port}; mirror -R --parallel=3 tree up; mirror up back`;
    await run("lftp", ["--norc", "-c", script], { cwd });
    for (const [name, content] of files) {
      assert.deepEqual(readFileSync(join(root, "up", name)), content, name);
      assert.deepEqual(readFileSync(join(cwd, "back", name)), content, name);
    }
    rmSync(join(root, "up"), { recursive: true });
    rmSync(join(cwd, "back"), { recursive: true });
  }
});

test("tnftp, which is the ftp of many systems, moves files both ways and by patterns", async (t) => {
  if (!needs(t, "tnftp")) return;
  const { port, root } = await startFtpServer(t);
  const cwd = scratchFolder(t);
  const content = writeRandom(join(cwd, "one.bin"), 2 * MiB);
  writeRandom(join(cwd, "two.bin"), 10);
  const input = [
    `open 127.0.0.1 ${port}`,
    "user anonymous x",
    "binary",
    "prompt off",
    "mkdir folder",
    "cd folder",
    "mput *.bin",
    "rename two.bin three.txt",
    "size one.bin",
    "ls",
    "get one.bin passive.bin",
    "passive off",
    "get one.bin active.bin",
    "mkdir sub",
    "!rm one.bin",
    "mget o*.bin",
    "bye",
    "",
  ].join("\n");
  const said = await run("tnftp", ["-n", "-v"], { cwd, input });
  assert.match(said, new RegExp(`one\\.bin\\t${2 * MiB}\\n`));
  assert.deepEqual(readdirSync(join(root, "folder")), ["one.bin", "sub", "three.txt"]);
  for (const name of ["passive.bin", "active.bin", "one.bin"]) {
    assert.deepEqual(readFileSync(join(cwd, name)), content, name);
  }
});
