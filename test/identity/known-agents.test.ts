import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { parseHostPort } from "../../controller/host-port.ts";
import { agentKeyChanged, KnownAgents, type PairedAgent } from "../../controller/known-agents.ts";
import { agentIdOf, formatFingerprint } from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

const fingerprint = () => formatFingerprint(randomBytes(32));
const store = (t: TestContext) => new KnownAgents(join(temporaryFolder(t), "tether"));
const paired = (ownName: string, host = "192.0.2.1", more: Partial<PairedAgent> = {}): PairedAgent => ({
  fingerprint: fingerprint(),
  ownName,
  address: { host, port: 7415 },
  role: "admin",
  tags: [],
  ...more,
});

test("HOST[:PORT] is read with names, IPv4, and IPv6 bare and in brackets", () => {
  const table: [string, string, number][] = [
    ["greenhouse", "greenhouse", 7415],
    ["greenhouse.local:80", "greenhouse.local", 80],
    ["192.0.2.1", "192.0.2.1", 7415],
    ["192.0.2.1:65535", "192.0.2.1", 65535],
    ["::1", "::1", 7415],
    ["2001:db8::7415", "2001:db8::7415", 7415],
    ["fe80::1%eth0", "fe80::1%eth0", 7415],
    ["[::1]", "::1", 7415],
    ["[fe80::1%eth0]:1", "fe80::1%eth0", 1],
  ];
  for (const [text, host, port] of table) assert.deepEqual(parseHostPort(text), { host, port }, text);
  assert.deepEqual(parseHostPort("pi", 21), { host: "pi", port: 21 });
  const wrong: [string, RegExp][] = [
    ["", /is not HOST/],
    [":7415", /is not HOST/],
    ["host:", /a port is a number/],
    ["host:0", /a port is a number/],
    ["host:65536", /a port is a number/],
    ["host:123456", /a port is a number/],
    ["host:7415x", /a port is a number/],
    ["host:-1", /a port is a number/],
    ["1:2:3", /a port is a number/],
    ["[::1", /is not HOST/],
    ["[::1]x", /is not HOST/],
    ["[::1]7415", /is not HOST/],
    ["[host]:1", /only an IPv6 address/],
    ["[]", /only an IPv6 address/],
    ["a b", /is not HOST/],
    ["a/b", /is not HOST/],
    ["pi@host", /is not HOST/],
    ["-oops", /no host name/],
    ["x".repeat(256), /no host name/],
  ];
  for (const [text, message] of wrong)
    assert.throws(() => parseHostPort(text), tetherError("usage", message), text);
});

test("a paired agent is kept privately and found by name, id and address", async (t) => {
  const folder = join(temporaryFolder(t), "tether");
  const agents = new KnownAgents(folder);
  assert.deepEqual(agents.list(), []);
  const wish = paired("greenhouse", "Pi.local", { tags: ["lab"] });
  const agent = await agents.add(wish, new Date(0));
  assert.deepEqual(agent, {
    name: "greenhouse",
    id: agentIdOf(wish.fingerprint),
    fingerprint: wish.fingerprint,
    addresses: ["Pi.local"],
    port: 7415,
    role: "admin",
    tags: ["lab"],
    pairedAt: "1970-01-01T00:00:00.000Z",
  });
  assert.equal(statSync(join(folder, "agents.json")).mode & 0o777, 0o600);
  for (const name of ["greenhouse", agent.id, "pi.local", "pi.local:7415"]) {
    assert.deepEqual(new KnownAgents(folder).find(name), agent, name);
  }
  for (const name of ["Greenhouse", "pi.local:80", "192.0.2.9", "not a host"]) {
    assert.throws(
      () => agents.find(name),
      tetherError("not-found", /paired are greenhouse$/, /tether pair/),
      name,
    );
  }
});

test("agents of one name get names of their own; a chosen name is taken or refused", async (t) => {
  const agents = store(t);
  await agents.add(paired("raspberrypi"));
  assert.equal((await agents.add(paired("raspberrypi"))).name, "raspberrypi-2");
  assert.equal((await agents.add(paired("a:b/c\u001b"))).name, "a-b-c");
  const nameless = await agents.add(paired("\n"));
  assert.equal(nameless.name, nameless.id);
  const exists = tetherError(
    "exists",
    /another paired agent is called raspberrypi/,
    /tether forget raspberrypi/,
  );
  assert.throws(() => agents.checkName("raspberrypi"), exists);
  await assert.rejects(agents.add(paired("x", "h", { name: "raspberrypi" })), exists);
  await assert.rejects(agents.add(paired("x", "h", { name: nameless.id })), tetherError("exists", /called/));
  for (const name of ["", "a:b", "a/b", "-a", "a b", "x".repeat(65), "SHA256:x"]) {
    assert.throws(() => agents.checkName(name), tetherError("invalid", /cannot name an agent/), name);
  }
  assert.equal((await agents.add(paired("x", "h", { name: "Büro" }))).name, "Büro");
  assert.equal(agents.list().length, 5);
});

test("an agent that is paired again keeps its name and place, the rest is brought up to date", async (t) => {
  const agents = store(t);
  const wish = paired("raspberrypi", "192.0.2.1", { name: "bench" });
  const old = await agents.add(wish, new Date(0));
  await agents.add(paired("other", "192.0.2.3"));
  await agents.use("bench");
  const again = { ...paired("raspberrypi", "192.0.2.2", { role: "viewer" }), fingerprint: wish.fingerprint };
  const updated = await agents.add(again, new Date(1));
  assert.deepEqual(updated, {
    ...old,
    addresses: ["192.0.2.2", "192.0.2.1"],
    role: "viewer",
    pairedAt: new Date(1).toISOString(),
  });
  assert.deepEqual(agents.list()[0], updated);
  assert.equal(agents.default()?.id, old.id);
  assert.equal((await agents.add({ ...again, name: "bench" })).name, "bench", "its own name is no conflict");
  assert.equal((await agents.add({ ...again, name: "desk" })).name, "desk");
  assert.equal(agents.list().length, 2);
});

test("the default is the used one, else the only one; forgetting ends both", async (t) => {
  const agents = store(t);
  assert.equal(agents.default(), undefined);
  await agents.add(paired("one"));
  assert.equal(agents.default()?.name, "one");
  await agents.add(paired("two", "192.0.2.2"));
  assert.equal(agents.default(), undefined);
  await agents.use("two");
  assert.equal(agents.default()?.name, "two");
  await assert.rejects(agents.use("three"), tetherError("not-found", /paired are one, two/));
  assert.equal((await agents.forget("192.0.2.2")).name, "two");
  assert.equal(agents.default()?.name, "one");
  await assert.rejects(agents.forget("two"), tetherError("not-found", /"two"/));
  await agents.forget("one");
  assert.throws(() => agents.find("one"), tetherError("not-found", /none is paired/));
});

test("where an agent was reached is remembered, last first, and an address of two is refused", async (t) => {
  const agents = store(t);
  const { id } = await agents.add(paired("one", "192.0.2.1"));
  const two = await agents.add(paired("two", "192.0.2.2"));
  for (let n = 100; n < 120; n++) await agents.reached(id, { host: `192.0.2.${n}`, port: 7415 });
  assert.equal(agents.find("one").addresses.length, 8);
  await agents.reached(id, { host: "192.0.2.2", port: 7415 });
  assert.equal(agents.find("one").addresses[0], "192.0.2.2");
  assert.throws(() => agents.find("192.0.2.2"), tetherError("invalid", /fits several agents: one, two/));
  assert.deepEqual(
    agents.at({ host: "192.0.2.2", port: 7415 }).map((agent) => agent.name),
    ["one", "two"],
  );
  await agents.reached(two.id, { host: "192.0.2.2", port: 7416 });
  assert.equal(agents.find("192.0.2.2").name, "one");
  assert.equal(agents.find("192.0.2.2:7416").name, "two");
  await agents.reached("nobody", { host: "h", port: 1 });
});

test("an address means the agent that is there now, before one that was there once", async (t) => {
  const agents = store(t);
  const moved = await agents.add(paired("moved", "192.0.2.1"));
  await agents.reached(moved.id, { host: "192.0.2.9", port: 7415 });
  assert.equal(agents.find("192.0.2.1").name, "moved");
  assert.deepEqual(agents.lastAt({ host: "192.0.2.1", port: 7415 }), []);
  const lodger = await agents.add(paired("lodger", "192.0.2.1"));
  assert.equal(agents.find("192.0.2.1").name, "lodger");
  assert.equal(agents.find("192.0.2.9").name, "moved");
  assert.deepEqual(agents.lastAt({ host: "192.0.2.1", port: 7415 }), [lodger]);
  assert.deepEqual(agents.lastAt({ host: "192.0.2.1", port: 7416 }), []);
});

test("processes that pair at the same time all leave their agent, under different names", async (t) => {
  const folder = join(temporaryFolder(t), "tether");
  const module = new URL("../../controller/known-agents.ts", import.meta.url).href;
  const program = `import { KnownAgents } from "${module}";
    import { randomBytes } from "node:crypto";
    for (let n = 0; n < 10; n++) await new KnownAgents(${JSON.stringify(folder)}).add({
      fingerprint: "SHA256:" + randomBytes(32).toString("base64"), ownName: "pi",
      address: { host: "192.0.2.1", port: 7415 }, role: "admin", tags: [] });`;
  const args = ["--import", "tsx", "--input-type=module", "-e", program];
  await Promise.all(Array.from({ length: 4 }, () => promisify(execFile)(process.execPath, args)));
  const names = new KnownAgents(folder).list().map((agent) => agent.name);
  assert.deepEqual(
    names.toSorted(),
    ["pi", ...Array.from({ length: 39 }, (_, n) => `pi-${n + 2}`)].toSorted(),
  );
});

test("a changed key is told with both fingerprints and what to do", async (t) => {
  const agents = store(t);
  const known = await agents.add(paired("greenhouse", "pi.local"));
  const presented = fingerprint();
  const error = agentKeyChanged(known, presented, { host: "pi.local", port: 7415 });
  assert.equal(error.code, "unauthorized");
  assert.ok(error.message.includes(known.fingerprint) && error.message.includes(presented));
  assert.match(error.hint ?? "", /tether forget greenhouse, then: tether pair pi\.local:7415 --code CODE/);
});

test("a damaged file is refused with the reason and left as it is", async (t) => {
  const folder = join(temporaryFolder(t), "tether");
  const agents = new KnownAgents(folder);
  const good = await agents.add(paired("one"));
  const path = join(folder, "agents.json");
  const table: [string, RegExp][] = [
    ["", /is damaged: it is not JSON/],
    ['{"version":2}', /its version is not 1/],
    ['{"version":1}', /no list of agents/],
    [JSON.stringify({ version: 1, agents: [good, { ...good, id: "aaaaaaaaaaaaaaaa" }] }), /entry 2/],
    [JSON.stringify({ version: 1, agents: [{ ...good, name: "a/b" }] }), /entry 1/],
    [JSON.stringify({ version: 1, agents: [{ ...good, addresses: "x" }] }), /entry 1/],
  ];
  for (const [content, message] of table) {
    writeFileSync(path, content);
    assert.throws(() => agents.list(), tetherError("invalid", message, /pair your agents again/));
    await assert.rejects(agents.add(paired("two")), tetherError("invalid", message));
    assert.equal(readFileSync(path, "utf8"), content);
  }
});
