import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { block, RawClient } from "./raw-client.ts";

const [chunk = 0, line = 0, blocks = 0, small = 0, fixed = 0, few = 0, open = 0] = await freePorts(7);
const agent = await startAgent(
  { after },
  {
    configuration: {
      gateways: [
        {
          kind: "tcp",
          port: chunk,
          call: "math.multiply",
          framing: "chunk",
          greeting: "two numbers, please",
        },
        { kind: "tcp", port: line, stop: "bye", aliases: { times: "math.multiply", hidden: "system.info" } },
        { kind: "tcp", port: blocks, framing: "block", arguments: "json", greeting: "hello", stop: "bye" },
        { kind: "tcp", port: small, limits: { requestBytes: 64, idle: "1s" } },
        { kind: "tcp", port: fixed, call: "text.upper", arguments: "text" },
        { kind: "tcp", port: few, limits: { connections: 2 } },
        { kind: "tcp", host: "0.0.0.0", port: open, allow: ["math.*", "files.mkdir"] },
      ],
    },
  },
);

suite("text over connections", () => {
  test("a request names its procedure, or the gateway does", async (t) => {
    const named = await RawClient.open(t, line);
    named.send('math.multiply 6 7\ntimes 2 21\nmath.sum green house\ntext.echo {"n":1}\n');
    for (const answer of ["42", "42", "greenhouse", '{"n":1}']) assert.equal(await named.line(), answer);
    const upper = await RawClient.open(t, fixed);
    upper.send("Grüße, 🌡!\n\n");
    assert.equal(await upper.line(), "GRÜSSE, 🌡!");
    assert.equal(await upper.line(), "");
  });

  test("integers stay exact", async (t) => {
    const client = await RawClient.open(t, line);
    client.send("math.multiply 123456789012345678901234567890 -3\n");
    assert.equal(await client.line(), "-370370367037037036703703703670");
  });

  test("mistakes are answered, and the connection lives", async (t) => {
    const client = await RawClient.open(t, line);
    const cases = [
      ["nothing.here", /^error: not-found: no procedure "nothing\.here"/],
      ["multiply 1 2", /^error: not-found: .*did you mean math\.multiply/],
      ["system.info", /^error: forbidden: system\.info is not allowed here/],
      ["hidden", /^error: forbidden: /],
      ["math.multiply 6 x", /^error: invalid: math\.multiply: argument "b"/],
      ["", /^error: invalid: a request names a procedure first/],
      ["text.upper \u0007", /^\u0007$/],
    ] as const;
    for (const [request, answer] of cases) {
      client.send(`${request}\n`);
      assert.match(await client.line(), answer, request);
    }
    client.send(Buffer.from("text.upper \xff\n", "latin1"));
    assert.equal(await client.line(), "error: invalid: the request is not UTF-8");
    client.send("math.add 1 2\n");
    assert.equal(await client.line(), "3");
    const refused = await agent.line("forbidden", ({ procedure }) => procedure === "system.info");
    assert.equal(refused.address, "127.0.0.1");
    assert.equal(refused.label, `tcp 127.0.0.1:${line}`);
  });

  test("introspection shows what is allowed, aliases included", async (t) => {
    const client = await RawClient.open(t, line);
    client.send("system.listMethods\nsystem.methodHelp times\n");
    const names = JSON.parse(await client.line()) as string[];
    assert.ok(names.includes("math.multiply") && names.includes("times") && names.includes("rpc.discover"));
    assert.ok(
      !names.some((name) => name === "hidden" || name === "system.info" || /^(jobs|files)/.test(name)),
    );
    assert.match(await client.line(), /math\.multiply a b/);
  });

  test("answers keep the order of their requests, slow ones included", async (t) => {
    const client = await RawClient.open(t, line);
    const requests = Array.from({ length: 200 }, (_, n) =>
      n % 2 === 0 ? "net.resolve localhost" : `math.add ${n} 0`,
    );
    client.send(`${requests.join("\n")}\n`);
    for (let n = 0; n < 200; n++) {
      const answer = await client.line();
      if (n % 2 === 0) assert.match(answer, /127\.0\.0\.1|::1/);
      else assert.equal(answer, String(n));
    }
  });

  test("a side that is shut down still gets its answers, the last line without a newline too", async (t) => {
    const client = await RawClient.open(t, line);
    client.socket.end("math.add 1 2\nnet.resolve localhost\nmath.add 3 4");
    const [first, , third] = (await client.end()).split("\n");
    assert.deepEqual([first, third], ["3", "7"]);
  });

  test("a chunk is a request, its answer comes as it is", async (t) => {
    const client = await RawClient.open(t, chunk);
    assert.equal(await client.take(19), "two numbers, please");
    for (const [request, answer] of [
      ["6 7", "42"],
      ["1.5 2\r\n", "3"],
    ] as const) {
      client.send(request);
      assert.equal(await client.take(answer.length), answer);
    }
    assert.equal(client.received, "");
  });

  test("blocks go both ways, in pieces of any size", async (t) => {
    const client = await RawClient.open(t, blocks);
    assert.equal(await client.take(9), `\0\0\0\x05hello`);
    client.socket.setNoDelay(true);
    for (const byte of block('text.echo ["a\\nb 🌡"]')) {
      client.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await client.take(12), `\0\0\0\x08a\nb 🌡`);
    client.send(Buffer.concat([block('math.multiply {"a": 6, "b": 7}'), block("bye")]));
    assert.equal(await client.end(), `\0\0\0\x0242`);
  });

  test("the stop word ends the connection after the answers before it", async (t) => {
    const client = await RawClient.open(t, line);
    client.send("net.resolve localhost\nmath.add 1 2\nbye\nmath.add 3 4\n");
    assert.deepEqual((await client.end()).split("\n").slice(1), ["3", ""]);
  });

  test("a request that is too long is answered and ends the connection", async (t) => {
    for (const flood of [`math.add 1 2\n${"x".repeat(65)}\n`, `math.add 1 2\n${"x".repeat(500_000)}`]) {
      const client = await RawClient.open(t, small);
      client.send(flood);
      assert.equal(await client.end(), "3\nerror: limit: a request has at most 64 bytes\n");
    }
    const client = await RawClient.open(t, small);
    client.send(`text.upper ${"x".repeat(53)}\n`);
    assert.equal(await client.line(), "X".repeat(53));
  });

  test("a silent client is ended, also one that sends a request byte by byte", async (t) => {
    const silent = await RawClient.open(t, small);
    const loris = await RawClient.open(t, small);
    const busy = await RawClient.open(t, small);
    const drip = setInterval(() => loris.send("x"), 50);
    t.after(() => clearInterval(drip));
    while (!silent.ended || !loris.ended) {
      busy.send("math.add 1 2\n");
      assert.equal(await busy.line(), "3");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(silent.received + loris.received, "");
    assert.equal(busy.ended, false);
  });

  test("a browser that somebody's page has sent here is closed before its body is read", async (t) => {
    for (const port of [line, chunk]) {
      const client = await RawClient.open(t, port);
      client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\nmath.multiply 6 7\n");
      const came = await client.end();
      assert.ok(!came.includes("42") && !came.includes("error"), came);
    }
    const seen = await agent.line("gateway-refused", ({ message }) => message.includes("HTTP"));
    assert.equal(seen.address, "127.0.0.1");
  });

  test("no more connections than the limit says", async (t) => {
    const places = [await RawClient.open(t, few), await RawClient.open(t, few)];
    for (const place of places) {
      place.send("math.add 1 2\n");
      await place.line();
    }
    const third = await RawClient.open(t, few);
    assert.equal(await third.end(), "error: limit: more than 2 connections\n");
    places[0]?.socket.destroy();
    for (;;) {
      const next = await RawClient.open(t, few);
      next.send("math.add 1 2\n");
      if ((await next.take(2)) === "3\n") break;
    }
  });

  test("a client that does not read costs bounded memory, and the others are served", async (t) => {
    const memory = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1]);
    const stubborn = await RawClient.open(t, line);
    stubborn.socket.pause();
    const before = memory();
    const request = `text.upper ${"x".repeat(60_000)}\n`.repeat(100);
    let taken = true;
    for (let n = 0; n < 100 && taken; n++) {
      // 600 MB of answers, were they all made.
      taken = await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(false), 500);
        stubborn.socket.write(request, () => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    }
    assert.equal(taken, false, "the agent goes on reading from a client that does not read");
    const other = await RawClient.open(t, line);
    other.send("math.add 1 2\n");
    assert.equal(await other.line(), "3");
    assert.ok(memory() - before < 64 * 1024, `${memory() - before} KiB`);
  });

  test("status lists them, and a gateway open to the network is told of at every start", async () => {
    const status = JSON.parse((await agent.tetherd(["status", "--json"])).stdout);
    assert.deepEqual(status.gateways[0], { kind: "tcp", address: "127.0.0.1", port: chunk });
    assert.equal(status.gateways.length, 7);
    const warnings = agent.log.filter(({ event }) => event === "gateway-open");
    assert.deepEqual(
      warnings.map(({ level, address, port }) => [level, address, port]),
      [["warn", "0.0.0.0", open]],
    );
  });
});

test("a gateway's role bounds what it may call", async (t) => {
  const [port = 0] = await freePorts(1);
  const gateways = [{ kind: "tcp", port, allow: ["*"], role: "viewer" }];
  await startAgent(t, { configuration: { gateways } });
  const client = await RawClient.open(t, port);
  client.send("files.mkdir secret\nfiles.list\n");
  assert.match(
    await client.line(),
    /^error: forbidden: files\.mkdir needs the role operator; you have viewer/,
  );
  assert.doesNotMatch(await client.line(), /secret/);
});

test("what is configured anew is opened, what stays goes on, what is gone is closed", async (t) => {
  const [stays = 0, goes = 0, comes = 0] = await freePorts(3);
  const blocker = createServer().listen(comes, "127.0.0.1");
  t.after(() => blocker.close());
  const gateway = (port: number) => ({ kind: "tcp", port });
  const base = { name: "x", listen: { host: "127.0.0.1", port: 0 }, discovery: { broadcast: false } };
  const one = await startAgent(t, { configuration: { gateways: [gateway(stays), gateway(goes)] } });
  const client = await RawClient.open(t, stays);
  const leaver = await RawClient.open(t, goes);
  const next = {
    ...base,
    gateways: [gateway(stays), gateway(comes), { kind: "rfc2217", port: 2217, device: "d" }],
  };
  writeFileSync(
    one.configurationFile,
    JSON.stringify({ ...next, devices: [{ name: "d", serial: { simulate: "bench" }, driver: "line" }] }),
  );
  one.signal("SIGHUP");
  assert.equal(await leaver.end(), "");
  const failed = await one.line("gateway-failed", ({ kind }) => kind === "tcp");
  assert.match(failed.message, /in use by another program/);
  await one.line("configuration-read");
  client.send("math.add 1 2\n");
  assert.equal(await client.line(), "3");
  // The port is free now, and the gateway comes by itself.
  await new Promise((resolve) => blocker.close(resolve));
  await one.line("gateway", ({ port }) => port === comes);
  const late = await RawClient.open(t, comes);
  late.send("math.add 1 2\n");
  assert.equal(await late.line(), "3");
});

test("what is in flight is answered before the agent ends", async (t) => {
  const [port = 0] = await freePorts(1);
  const one = await startAgent(t, { configuration: { gateways: [{ kind: "tcp", port }] } });
  const client = await RawClient.open(t, port);
  const idle = await RawClient.open(t, port);
  client.send(`${"net.resolve localhost\n".repeat(3)}`);
  await client.line();
  assert.equal(await one.stop(), 0);
  assert.equal(await idle.end(), "");
  assert.ok(client.ended);
});

suite("text over a Unix socket", () => {
  test("a socket of a killed agent is replaced, a file and a listener are not", async (t) => {
    const first = await startAgent(t);
    const path = join(first.folder, "lines.sock");
    const gateways = [{ kind: "unix", path, framing: "line" }];
    const configuration = { gateways };
    await first.stop();
    const killed = await startAgent(t, { folder: first.folder, configuration });
    await killed.stop("SIGKILL");
    assert.ok(existsSync(path));
    const again = await startAgent(t, { folder: first.folder, configuration });
    assert.equal(statSync(path).mode & 0o777, 0o660);
    const client = await RawClient.open(t, path);
    client.send("math.multiply 6 7\nsystem.info\n");
    assert.equal(await client.line(), "42");
    assert.match(await client.line(), /^error: forbidden/);
    assert.equal((await again.line("forbidden")).address, path);
    assert.deepEqual(JSON.parse((await again.tetherd(["status", "--json"])).stdout).gateways, [
      { kind: "unix", path },
    ]);
    assert.ok(!again.log.some(({ event }) => event === "gateway-open"));
    const second = await startAgent(t, { configuration });
    assert.match((await second.line("gateway-failed")).message, /in use by another program/);
    await again.stop();
    assert.ok(!existsSync(path));
    writeFileSync(path, "mine");
    const third = await startAgent(t, { configuration });
    assert.match((await third.line("gateway-failed")).message, /is no socket/);
    assert.equal(readFileSync(path, "utf8"), "mine");
  });
});
