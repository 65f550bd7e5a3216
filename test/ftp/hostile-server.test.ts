/** What a server may try with our client. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import { FtpBackend } from "../../controller/ftp/ftp-backend.ts";
import { scratchFolder } from "./scratch.ts";

/** What a server says to a command; `data` is sent over the data connection and followed by 226. */
interface Script {
  readonly [verb: string]: string | { readonly data: string } | ((socket: Socket) => void) | undefined;
}

const signal = AbortSignal.timeout(60_000);

/** A server that says what the script has, and what servers say to the rest. */
async function scripted(t: TestContext, script: Script, greeting = "220 hello\r\n"): Promise<number> {
  const data = createServer();
  const control = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(greeting);
    t.after(() => socket.destroy());
    const lines = createInterface({ input: socket });
    lines.on("error", () => undefined);
    lines.on("line", (line) => {
      const [verb = ""] = line.split(" ");
      const said = Object.hasOwn(script, verb) ? script[verb] : USUAL[verb];
      if (typeof said === "function") said(socket);
      else if (typeof said === "string") socket.write(said);
      else if (said !== undefined) {
        socket.write("150 here\r\n");
        arrivals.then((arrived) => arrived.end(said.data, () => socket.write("226 done\r\n")));
      } else if (verb === "EPSV") {
        arrivals = once(data, "connection").then(([arrived]) => arrived as Socket);
        socket.write(`229 (|||${(data.address() as AddressInfo).port}|)\r\n`);
      } else socket.write("500 what?\r\n");
    });
  });
  let arrivals: Promise<Socket> = Promise.reject(new Error("nothing was arranged"));
  arrivals.catch(() => undefined);
  for (const server of [data, control]) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
  }
  return (control.address() as AddressInfo).port;
}

const USUAL: Script = {
  USER: "331 password\r\n",
  PASS: "230 in\r\n",
  FEAT: "211-has\r\n MLST type*;size*;\r\n211 end\r\n",
  TYPE: "200 ok\r\n",
  PWD: '257 "/"\r\n',
  REST: "350 ok\r\n",
};

async function open(t: TestContext, port: number, passive = true): Promise<FtpBackend> {
  const backend = await FtpBackend.open(
    { address: { host: "127.0.0.1", port }, user: "anonymous", password: "x", passive, tls: false },
    new PassThrough(),
    signal,
  );
  t.after(() => backend.close());
  return backend;
}

test("a reply that never ends is given up, in lines and in bytes", async (t) => {
  const forever = (text: string) => (socket: Socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(text));
      if (!socket.destroyed) socket.once("drain", more);
    };
    more();
  };
  for (const SYST of [forever("215-more\r\n"), forever("x".repeat(1000)), forever("215 again\r\n")]) {
    const backend = await open(t, await scripted(t, { SYST }));
    // The third one is an answer, with many that nobody has asked for behind it.
    await backend.system(signal).catch(() => undefined);
    await assert.rejects(
      backend.stat("/a", signal).then(() => backend.stat("/a", signal)),
      (error: { code: string }) => ["limit", "invalid", "unreachable"].includes(error.code),
    );
  }
  await assert.rejects(open(t, await scripted(t, {}, "220-never\r\n".repeat(100_000))), { code: "limit" });
  await assert.rejects(open(t, await scripted(t, {}, "SSH-2.0-OpenSSH\r\n")), {
    code: "invalid",
    message: /no FTP server: it says "SSH-2.0-OpenSSH"/,
  });
});

test("names that lead elsewhere are refused, and nothing is written or removed there", async (t) => {
  for (const name of ["..", "../out", "/etc/out", ".", "a/../../out"]) {
    const removed: string[] = [];
    const port = await scripted(t, {
      MLST: "250-facts\r\n type=dir; /tree\r\n250 end\r\n",
      MLSD: { data: `type=file;size=3; ${name}\r\n` },
      RETR: { data: "bad" },
      DELE: (socket) => {
        removed.push(name);
        socket.write("250 gone\r\n");
      },
    });
    const here = scratchFolder(t);
    const backend = await open(t, port);
    await assert.rejects(backend.get(["/tree"], join(here, "in"), { recursive: true, signal }), {
      code: "invalid",
      message: /is no name here/,
    });
    assert.ok(!existsSync(join(here, "out")));
    assert.deepEqual(readdirSync(join(here, "in")), []);
    await assert.rejects(backend.remove("/tree", true, signal), { code: "invalid" });
    assert.deepEqual(removed, []);
  }
});

test("a PASV that names another machine leads to the server all the same", async (t) => {
  const data = createServer((socket) => socket.end("type=file;size=1; from the server itself\r\n"));
  data.listen(0, "127.0.0.1");
  await once(data, "listening");
  t.after(() => data.close());
  const { port: dataPort } = data.address() as AddressInfo;
  const port = await scripted(t, {
    EPSV: "500 what?\r\n",
    PASV: `227 there (10,255,255,1,${dataPort >> 8},${dataPort & 255})\r\n`,
    MLSD: "150 here\r\n226 done\r\n",
  });
  const backend = await open(t, port);
  assert.deepEqual(
    (await backend.list("/", signal)).map(({ name }) => name),
    ["from the server itself"],
  );
});

test("answers to EPSV and PASV without a port are refused", async (t) => {
  for (const [EPSV, PASV] of [
    ["229 (|||99999|)\r\n", "500 no\r\n"],
    ["229 (|||0|)\r\n", "500 no\r\n"],
    ["500 no\r\n", "227 nothing\r\n"],
    ["500 no\r\n", "227 (1,2,3,4,999,999)\r\n"],
  ]) {
    const backend = await open(t, await scripted(t, { EPSV, PASV }));
    await assert.rejects(backend.list("/", signal), { code: "invalid" });
  }
});

test("a listing full of nonsense lists what makes sense", async (t) => {
  const data = [
    "type=dir; folder",
    "nonsense",
    "type=file;size=-5; negative",
    "type=file;size=1e400; huge",
    "=;;;= odd",
    "type=file;size=3;modify=99999999999999; when",
    "",
    `type=file; ${"x".repeat(5_000)}`,
  ].join("\r\n");
  const backend = await open(t, await scripted(t, { MLSD: { data } }));
  const listed = await backend.list("/", signal);
  assert.ok(listed.every(({ size }) => Number.isSafeInteger(size) && size >= 0));
  assert.ok(listed.some(({ name }) => name === "folder"));
  assert.equal(listed.find(({ name }) => name === "when")?.modified, undefined);
});

test("names with control characters cannot add a second command", async (t) => {
  const backend = await open(t, await scripted(t, {}));
  await assert.rejects(backend.remove("/a\r\nDELE b", false, signal), { code: "invalid" });
});

test("a server that breaks off a transfer has its words shown", async (t) => {
  const port = await scripted(t, {
    MLST: "250-facts\r\n type=file;size=1000; /a\r\n250 end\r\n",
    RETR: (socket) => socket.write("150 here\r\n551 the disk has burnt down\r\n"),
  });
  const backend = await open(t, port);
  const start = performance.now();
  await assert.rejects(
    backend.get(["/a"], join(scratchFolder(t), "a"), { recursive: false, signal }),
    /551 the disk has burnt down/,
  );
  // Its data connection is still open.
  assert.ok(performance.now() - start < 5_000);
});
