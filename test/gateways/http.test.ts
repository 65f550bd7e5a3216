import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { Agent, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, suite, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { describingPage } from "../../agent/gateways/page.ts";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { missing } from "../peers.ts";
import { RawClient } from "./raw-client.ts";

const run = promisify(execFile);
const JSON_TYPE = { "Content-Type": "application/json" };

const [open = 0, tokens = 0, slow = 0] = await freePorts(3);
const agent = await startAgent(
  { after },
  {
    configuration: {
      name: "greenhouse",
      gateways: [
        { kind: "http", port: open, aliases: { times: "math.multiply" }, limits: { requestBytes: "64KiB" } },
        { kind: "http", port: tokens, tokens: true, role: "operator", allow: ["*"] },
        { kind: "http", port: slow, limits: { idle: "1s", connections: 8 } },
      ],
    },
  },
);

interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string | Buffer;
  readonly port?: number;
  readonly tls?: { readonly ca: Buffer; readonly servername: string };
}

/** One request with exactly these headers; fetch would not let a test choose Host and Origin. */
async function ask({ method = "POST", path = "/", headers = JSON_TYPE, body = "", port = open, tls }: Ask) {
  const options = { host: "127.0.0.1", port, method, path, headers, agent: false as const, ...tls };
  const request = tls === undefined ? plainRequest(options) : secureRequest(options);
  // A body of a GET would be another request's beginning.
  request.end(method === "POST" ? body : "");
  return new Promise<Answer>((resolve, reject) => {
    request.on("error", reject);
    request.on("response", async (response) =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }),
    );
  });
}

async function rpc(body: unknown, more: Ask = {}): Promise<unknown> {
  const answer = await ask({ ...more, body: typeof body === "string" ? body : JSON.stringify(body) });
  assert.equal(answer.status, 200, answer.body);
  assert.match(String(answer.headers["content-type"]), /^application\/json/);
  return JSON.parse(answer.body);
}

const multiply = { jsonrpc: "2.0", id: 1, method: "math.multiply", params: [6, 7] };

suite("JSON-RPC over HTTP", () => {
  test("single calls, by position, by name, by alias", async () => {
    assert.deepEqual(await rpc(multiply), { jsonrpc: "2.0", id: 1, result: 42 });
    assert.deepEqual(await rpc({ ...multiply, id: "x", params: { b: 7, a: 6 } }), {
      jsonrpc: "2.0",
      id: "x",
      result: 42,
    });
    assert.deepEqual(await rpc({ ...multiply, method: "times" }), { jsonrpc: "2.0", id: 1, result: 42 });
    const exact = await ask({
      body: '{"jsonrpc":"2.0","id":1,"method":"math.add","params":[9007199254740993,0]}',
    });
    assert.match(exact.body, /"result":9007199254740993\}/);
  });

  test("the standard's errors and codes", async () => {
    const code = async (body: unknown) => ((await rpc(body)) as { error: { code: number } }).error.code;
    assert.equal(await code('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]'), -32700);
    assert.equal(await code({ jsonrpc: "2.0", method: 1, params: "bar" }), -32600);
    assert.equal(await code("[]"), -32600);
    assert.equal(await code({ ...multiply, method: "foobar" }), -32601);
    assert.equal(await code({ ...multiply, params: [1] }), -32602);
    assert.equal(await code({ ...multiply, method: "system.info" }), -32004);
    assert.equal(
      await code(`{"jsonrpc":"2.0","id":1,"method":"text.echo","params":${"[".repeat(100)}`),
      -32700,
    );
  });

  test("batches, and notifications without an answer", async () => {
    const notice = { jsonrpc: "2.0", method: "math.multiply", params: [1, 2] };
    assert.deepEqual(await rpc([multiply, notice, { ...multiply, id: 2, method: "nothing" }, 1]), [
      { jsonrpc: "2.0", id: 1, result: 42 },
      {
        jsonrpc: "2.0",
        id: 2,
        error: { code: -32601, message: 'no procedure "nothing"', data: { code: "not-found" } },
      },
      {
        jsonrpc: "2.0",
        id: null,
        error: { code: -32600, message: "a request that is no object", data: { code: "invalid" } },
      },
    ]);
    for (const body of [notice, [notice, notice]]) {
      const answer = await ask({ body: JSON.stringify(body) });
      assert.deepEqual([answer.status, answer.body], [204, ""]);
    }
  });

  test("rpc.discover shows what is allowed", async () => {
    const { result } = (await rpc({ ...multiply, method: "rpc.discover", params: [] })) as {
      result: { openrpc: string; methods: { name: string }[] };
    };
    assert.equal(result.openrpc, "1.3.2");
    const names = result.methods.map(({ name }) => name);
    assert.ok(names.includes("math.multiply") && !names.includes("system.info"));
  });

  test("only application/json in UTF-8, plain or gzip", async () => {
    const body = JSON.stringify(multiply);
    const status = async (headers: Ask["headers"], content: string | Buffer = body) =>
      (await ask({ headers: headers ?? {}, body: content })).status;
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "text/json",
    ]) {
      assert.equal(await status({ "Content-Type": type }), 415, type);
    }
    assert.equal(await status({}), 415);
    assert.equal(await status({ "Content-Type": "application/json; charset=utf-16" }), 415);
    assert.equal(await status({ "Content-Type": 'Application/JSON;charset="UTF-8"' }), 200);
    const zipped = { ...JSON_TYPE, "Content-Encoding": "gzip" };
    assert.equal(await status(zipped, gzipSync(body)), 200);
    assert.equal(await status(zipped, body), 400);
    assert.equal(await status(zipped, gzipSync(Buffer.alloc(50 << 20))), 413);
    assert.equal(await status({ ...JSON_TYPE, "Content-Encoding": "br" }), 415);
    assert.equal(await status(JSON_TYPE, Buffer.from([0xff])), 400);
  });

  test("a request that is too long is answered 413, said or not", async () => {
    const long = "x".repeat(70_000);
    assert.equal((await ask({ body: long })).status, 413);
    const chunked = await ask({ headers: { ...JSON_TYPE, "Transfer-Encoding": "chunked" }, body: long });
    assert.equal(chunked.status, 413);
    assert.match(chunked.body, /^error: limit: a request has at most 65536 bytes/);
    // While the client is still sending.
    const client = await RawClient.open({ after }, open);
    client.send(`POST / HTTP/1.1\r\nHost: localhost\r\n${"Content-Type: application/json\r\n"}`);
    client.send("Content-Length: 5000000\r\n\r\n");
    client.send(Buffer.alloc(3_000_000));
    assert.match(await client.end(), /^HTTP\/1\.1 413 /);
  });

  test("a page of somebody else's cannot make a browser call", async () => {
    const status = async (more: { [name: string]: string }, method = "POST") =>
      (await ask({ method, headers: { ...JSON_TYPE, ...more }, body: JSON.stringify(multiply) })).status;
    for (const host of ["localhost", `localhost:${open}`, `127.0.0.1:${open}`, "127.8.8.8", "[::1]:80"]) {
      assert.equal(await status({ Host: host }), 200, host);
    }
    for (const host of ["evil.example", "localhost.evil.example", "10.0.0.1", "a b", "x@localhost"]) {
      assert.equal(await status({ Host: host }), 421, host);
      assert.equal(await status({ Host: host }, "GET"), 421, host);
    }
    const host = `localhost:${open}`;
    assert.equal(await status({ Host: host, Origin: `http://${host}` }), 200);
    for (const origin of [
      "http://evil.example",
      "null",
      `https://${host}`,
      "http://localhost:1",
      "http://localhost",
    ]) {
      assert.equal(await status({ Host: host, Origin: origin }), 403, origin);
    }
    const preflight = await ask({
      method: "OPTIONS",
      headers: { Origin: `http://${host}`, Host: host, "Access-Control-Request-Method": "POST" },
    });
    assert.equal(preflight.status, 405);
    assert.ok(!Object.keys(preflight.headers).some((name) => name.startsWith("access-control")));
    const twice = await RawClient.open({ after }, open);
    twice.send("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n");
    assert.match(await twice.end(), /^HTTP\/1\.1 400 /);
    const seen = await agent.line("gateway-refused", ({ message }) => message.includes("evil.example"));
    assert.equal(seen.address, "127.0.0.1");
  });

  test("a browser gets a page, and names in it stay text", async () => {
    const page = await ask({ method: "GET", headers: {} });
    assert.equal(page.status, 200);
    assert.match(String(page.headers["content-type"]), /^text\/html/);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'/);
    assert.ok(page.body.includes("math.multiply a b") && page.body.includes("<code>times</code>"));
    assert.ok(page.body.includes("<h1>greenhouse</h1>"));
    const odd = {
      name: "a&b",
      summary: "<script>'\"",
      parameters: { properties: {} },
      result: {},
      role: "viewer",
      retryable: true,
    } as const;
    const hostile = describingPage({
      name: "<b>",
      version: "1",
      role: "viewer",
      listings: [odd],
      aliases: {},
    });
    assert.ok(hostile.includes("a&#38;b") && !/<b>|<script>/.test(hostile));
    assert.ok(!page.body.includes("system.info"));
    const head = await ask({ method: "HEAD", headers: {} });
    assert.deepEqual([head.status, head.body], [200, ""]);
    assert.equal((await ask({ method: "GET", path: "/x", headers: {} })).status, 404);
    assert.equal((await ask({ method: "DELETE" })).status, 405);
  });

  test("metrics are what Prometheus reads", async () => {
    await rpc(multiply);
    await rpc({ ...multiply, method: "nothing" });
    const { status, headers, body } = await ask({ method: "GET", path: "/metrics?x", headers: {} });
    assert.equal(status, 200);
    assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
    for (const line of body.split("\n")) {
      assert.match(line, /^(|# (HELP|TYPE) .*|[a-z_]+(\{([a-z]+="[^"]*",?)+\})? -?[0-9.e+-]+)$/, line);
    }
    const where = `kind="http",address="127.0.0.1:${open}"`;
    assert.ok(Number(new RegExp(`tether_gateway_calls_total{${where}} (\\d+)`).exec(body)?.[1]) >= 2);
    assert.match(body, new RegExp(`tether_gateway_errors_total{${where},code="not-found"} [1-9]`));
    assert.match(body, /process_resident_memory_bytes [1-9]/);
  });

  test("a connection serves many requests", async () => {
    const keeper = new Agent({ keepAlive: true, maxSockets: 1 });
    after(() => keeper.destroy());
    const ports = new Set<number | undefined>();
    for (let n = 0; n < 20; n++) {
      const sent = plainRequest({ port: open, method: "POST", headers: JSON_TYPE, agent: keeper });
      sent.end(JSON.stringify(multiply));
      await new Promise<void>((resolve, reject) => {
        sent.on("error", reject);
        sent.on("response", async (response) => {
          ports.add(response.socket.localPort);
          assert.equal(JSON.parse(await text(response)).result, 42);
          resolve();
        });
      });
    }
    assert.equal(ports.size, 1);
  });

  test("who sends slowly, or nothing, is ended while others are served", async (t) => {
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const silent = await RawClient.open(t, slow);
    const inHead = await RawClient.open(t, slow);
    const inBody = await RawClient.open(t, slow);
    inHead.send(head);
    inBody.send(`${head}Content-Length: 1000\r\n\r\n`);
    const drip = setInterval(() => {
      inHead.send("X: y\r\n");
      inBody.send(" ");
    }, 50);
    t.after(() => clearInterval(drip));
    const all = [silent, inHead, inBody];
    while (all.some(({ ended }) => !ended)) {
      assert.deepEqual(await rpc(multiply, { port: slow }), { jsonrpc: "2.0", id: 1, result: 42 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const { received } of all) assert.match(received, /^($|HTTP\/1\.1 408 )/);
  });

  test("no more connections than the limit says", async (t) => {
    const places = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(t, slow)));
    const ninth = await RawClient.open(t, slow);
    assert.equal(await ninth.end(), "");
    for (const place of places) place.socket.destroy();
  });
});

suite("bearer tokens", () => {
  const make = async (...args: string[]) =>
    JSON.parse((await agent.tetherd(["token", "--json", ...args])).stdout) as {
      token: string;
      label: string;
      role: string;
    };
  const as = (token: string) => ({ ...JSON_TYPE, Authorization: `Bearer ${token}` });

  test("without one nothing is given, with one the lesser of both roles", async () => {
    const operator = await make("--label", "ci", "--role", "admin");
    const viewer = await make();
    assert.deepEqual([operator.label, viewer.label, viewer.role], ["ci", "token", "viewer"]);
    const body = JSON.stringify(multiply);
    for (const headers of [
      JSON_TYPE,
      as("tether_x"),
      as(operator.token.slice(0, -1)),
      { Authorization: "x" },
    ]) {
      for (const method of ["POST", "GET"]) {
        const refused = await ask({ port: tokens, headers, body, method });
        assert.equal(refused.status, 401);
        assert.match(String(refused.headers["www-authenticate"]), /^Bearer /);
      }
    }
    const mkdir = { ...multiply, method: "files.mkdir", params: ["made"] };
    const call = (token: string) =>
      rpc(mkdir, { port: tokens, headers: as(token) }) as Promise<{ error?: object }>;
    assert.match(
      JSON.stringify((await call(viewer.token)).error),
      /needs the role operator; you have viewer/,
    );
    assert.equal((await call(operator.token)).error, undefined);
    // The gateway's role is the most there is.
    const { error } = (await rpc(
      { ...multiply, method: "jobs.list", params: [] },
      { port: tokens, headers: as(operator.token) },
    )) as { error?: { data: { code: string } } };
    assert.ok(error === undefined || /forbidden|not-found/.test(error.data.code));
    const basic = Buffer.from(`anybody:${viewer.token}`).toString("base64");
    assert.equal(
      (await ask({ port: tokens, headers: { ...JSON_TYPE, Authorization: `Basic ${basic}` }, body })).status,
      200,
    );
  });

  test("they are kept as hashes, listed, and revoked at once", async () => {
    const { token, label } = await make("--label", "ci");
    assert.equal(label, "ci-2");
    const file = join(agent.statePath, "tokens.json");
    assert.ok(!readFileSync(file, "utf8").includes(token));
    assert.ok(!readFileSync(file, "utf8").includes(token.replace("tether_", "")));
    const { stdout } = await agent.tetherd(["tokens", "--json"]);
    assert.ok((JSON.parse(stdout) as { label: string }[]).some((one) => one.label === "ci-2"));
    assert.ok(!stdout.includes(token));
    const body = JSON.stringify(multiply);
    assert.equal((await ask({ port: tokens, headers: as(token), body })).status, 200);
    assert.equal((await agent.tetherd(["revoke", "--token", "ci-2"])).code, 0);
    assert.equal((await ask({ port: tokens, headers: as(token), body })).status, 401);
    const again = await agent.tetherd(["revoke", "--token", "ci-2"]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /no token "ci-2"/);
    assert.ok(!agent.log.some((line) => JSON.stringify(line).includes(token)));
  });
});

test("HTTPS with a certificate that is read again", { skip: missing("openssl", "curl") }, async (t) => {
  const [port = 0] = await freePorts(1);
  const bare = await startAgent(t);
  const [certificate, key] = [join(bare.folder, "c.pem"), join(bare.folder, "k.pem")];
  const make = async (cert: string, name: string) => {
    const args = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "9",
    ];
    const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name},IP:127.0.0.1`];
    await run("openssl", [...args, "-keyout", `${key}.new`, "-out", cert, ...names]);
    await run("chmod", ["600", `${key}.new`]);
    renameSync(`${key}.new`, key);
  };
  await make(certificate, "pi.test");
  await bare.stop();
  const configuration = { gateways: [{ kind: "http", port, host: "0.0.0.0", tls: { certificate, key } }] };
  const one = await startAgent(t, { folder: bare.folder, configuration });
  const url = `https://pi.test:${port}/`;
  const curl = ["-sS", "--cacert", certificate, "--resolve", `pi.test:${port}:127.0.0.1`];
  const call = async () =>
    (
      await run("curl", [
        ...curl,
        "-H",
        "Content-Type: application/json",
        "-d",
        JSON.stringify(multiply),
        url,
      ])
    ).stdout;
  assert.equal(JSON.parse(await call()).result, 42);
  const ca = readFileSync(certificate);
  const servername = "pi.test";
  const hosts = { "pi.test": 200, "127.0.0.1": 200, "evil.test": 421 };
  for (const [host, status] of Object.entries(hosts)) {
    const tls = { ca, servername };
    const answer = await ask({
      port,
      tls,
      headers: { ...JSON_TYPE, Host: host },
      body: JSON.stringify(multiply),
    });
    assert.equal(answer.status, status, host);
  }
  const plain = await RawClient.open(t, port);
  plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.doesNotMatch(await plain.end(), /200/);
  // It asks nobody, whatever the wire is.
  assert.ok(one.log.some(({ event }) => event === "gateway-open"));
  await make(certificate, "pi.test");
  one.signal("SIGHUP");
  await one.line("configuration-read");
  const socket = connectTls({ port, host: "127.0.0.1", ca: readFileSync(certificate), servername });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.destroy();
  assert.equal(JSON.parse(await call()).result, 42);
});
