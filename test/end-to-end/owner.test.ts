import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { runProgram, startAgent } from "../agent-process.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { BENCH } from "./bench-device.ts";
import { errorIn, issueCode } from "./owner-acts.ts";

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const agent = await startAgent({ after }, { configuration: { devices: [BENCH] } });
const home = await agent.pair();

suite("what the owner asks a running agent", () => {
  test("pair gives a code, what it is for, and the line to type", async () => {
    const start = Date.now();
    const issued = await issueCode(agent);
    assert.deepEqual(Object.keys(issued), ["code", "role", "expiresAt", "command"]);
    assert.match(issued.code, /^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
    assert.equal(issued.role, "admin");
    assert.match(issued.expiresAt, TIME);
    const lifetime = Date.parse(issued.expiresAt) - start;
    assert.ok(lifetime >= 600_000 && lifetime < 610_000, `${lifetime}`);
    assert.equal(issued.command, `tether pair 127.0.0.1:${agent.port} --code ${issued.code}`);
    const plain = await agent.tetherd(["pair", "--role", "viewer", "--ttl", "90s"]);
    assert.match(
      plain.stdout,
      /^code ([0-9A-Z-]{19}), for one controller with the role viewer, valid for 90s\ntype on the laptop:\n {2}tether pair 127\.0\.0\.1:\d+ --code \1\n$/,
    );
    const [, ...words] = issued.command.split(" ");
    // The one before is void: the line of the newest works as it is.
    const newest = await issueCode(agent, "--label", "line");
    const typed = await agent.tether([...newest.command.split(" ").slice(1)], { home: agent.makeHome() });
    assert.equal(typed.code, 0, typed.stderr);
    assert.equal(words[0], "pair");
    assert.equal((await agent.tetherd(["revoke", "line"])).code, 0);
  });

  test("status", async () => {
    const status = JSON.parse((await agent.tetherd(["status", "--json"])).stdout);
    assert.deepEqual(Object.keys(status), [
      "id",
      "name",
      "version",
      "pid",
      "uptimeSeconds",
      "fingerprint",
      "listen",
      "gateways",
      "devices",
      "mqtt",
      "controllers",
      "sessions",
    ]);
    const { uptimeSeconds, id, version, ...rest } = status;
    assert.match(id, /^[a-z2-7]{16}$/);
    assert.match(version, /^\d+\.\d+\.\d+/);
    assert.ok(Number.isInteger(uptimeSeconds) && uptimeSeconds >= 0 && uptimeSeconds < 600);
    assert.deepEqual(rest, {
      name: "test-agent",
      pid: agent.pid,
      fingerprint: agent.fingerprint,
      listen: [{ address: "127.0.0.1", port: agent.port }],
      gateways: [],
      devices: [{ name: "bench", driver: "line", state: "ready" }],
      mqtt: null,
      controllers: 1,
      sessions: 0,
    });
    const plain = await agent.tetherd(["status"]);
    assert.match(plain.stdout, /^fingerprint +SHA256:/m);
  });

  test("controllers, whose labels are host names made unique", async () => {
    await agent.pair();
    const list = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
    assert.equal(list.length, 2);
    for (const one of list) {
      assert.deepEqual(Object.keys(one), [
        "label",
        "fingerprint",
        "role",
        "pairedAt",
        "lastSeenAt",
        "sessions",
      ]);
      assert.match(one.fingerprint, FINGERPRINT);
      assert.match(one.pairedAt, TIME);
      assert.match(one.lastSeenAt, TIME);
    }
    const [first, second] = list;
    assert.ok(hostname().startsWith(first.label.slice(0, 3)));
    assert.equal(second.label, `${first.label}-2`);
    const call = agent.tether(["call", "devices.bench.silence", "--timeout", "10s"], { home });
    await agent.line("connected", ({ label }) => label === first.label);
    const counted = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
    assert.equal(counted[0].sessions, 1);
    assert.ok(Date.parse(counted[0].lastSeenAt) > Date.parse(first.pairedAt));
    assert.equal((await agent.tetherd(["revoke", second.fingerprint])).code, 0);
    assert.equal((await agent.tetherd(["revoke", first.label])).code, 0);
    assert.equal((await call).code, 4);
    const none = await agent.tetherd(["controllers"]);
    assert.match(none.stdout, /^no controller is paired/);
    assert.equal((await agent.tetherd(["controllers", "--json"])).stdout, "[]\n");
  });

  test("what it keeps is its owner's alone", () => {
    const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
    assert.equal(modeOf(agent.statePath), "700");
    for (const name of ["key.pem", "controllers.json", "control.sock"]) {
      assert.equal(modeOf(join(agent.statePath, name)), "600", name);
    }
  });

  test("every code, pairing and revoking is a line of the log", () => {
    for (const event of ["code-issued", "paired", "revoked"]) {
      assert.ok(
        agent.log.some((line) => line.event === event),
        event,
      );
    }
    const issued = agent.log.find(({ event }) => event === "code-issued");
    assert.equal(issued?.role, "admin");
    assert.equal(issued?.by, "owner");
    assert.ok(agent.log.every(({ level }) => ["info", "warn", "error"].includes(level)));
  });
});

test("wrong usage of tetherd is exit 2, one line, and the nearest word", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["statsu"], /no verb "statsu" \(did you mean `tetherd status`\?\)/],
    [["pair", "--rol", "viewer"], /--rol/],
    [["pair", "--role", "king"], /--role king: allowed are viewer, operator, admin/],
    [["pair", "--ttl", "soon"], /--ttl "soon" is no duration; allowed/],
    [["pair", "--ttl", "0s"], /--ttl 0s: allowed is more than nothing and at most 24h/],
    [["pair", "--ttl", "25h"], /--ttl 25h/],
    [["pair", "now"], /too many/],
    [["revoke"], /missing \(usage: tetherd revoke LABEL\|FINGERPRINT/],
    [["status", "--state", ""], /--state is empty/],
    [["run", "--config", ""], /--config is empty/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const ended = await runProgram("tetherd", args);
      const what = args.join(" ");
      assert.equal(ended.code, 2, what);
      assert.equal(ended.stdout, "", what);
      assert.match(ended.stderr, /^tetherd: [^\n]+\n$/, what);
      assert.match(ended.stderr, message, what);
    }),
  );
  const json = await runProgram("tetherd", ["status", "--json", "--state", "/nonexistent/state"]);
  assert.equal(json.code, 3);
  assert.deepEqual(Object.keys(errorIn(json.stderr)), ["code", "message", "hint"]);
  const help = await runProgram("tetherd", ["--help"]);
  assert.equal(help.code, 0);
  for (const verb of ["run", "pair", "status", "controllers", "revoke", "check"]) {
    assert.match(help.stdout, new RegExp(`^tetherd ${verb}`, "m"));
  }
});

test("check names every mistake by place, and exits with 0 only when there is none", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "agent.yaml");
  const state = ["--state", join(folder, "state")];
  const check = () => runProgram("tetherd", ["check", "--config", file, ...state]);
  writeFileSync(file, 'nmae: greenhouse\nlisten: { prot: 1 }\ndiscovery:\n  port: "high"\n', { mode: 0o600 });
  const bad = await check();
  assert.equal(bad.code, 1);
  assert.equal(bad.stderr, "");
  const lines = bad.stdout.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.slice(0, line.indexOf(": "))),
    [`${file}:1:1`, `${file}:2:11`, `${file}:4:9`],
  );
  assert.match(lines[0] ?? "", /"nmae".*name/);
  assert.match(lines[1] ?? "", /"prot".*port/);
  assert.match(lines[2] ?? "", /discovery\.port.*allowed/);

  const run = await runProgram("tetherd", ["run", "--config", file, ...state]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /^tetherd: .*agent\.yaml:1:1: .*\(and 2 more; run tetherd check\)\n$/);

  writeFileSync(file, "name: greenhouse\n");
  const good = await check();
  assert.deepEqual(good, { code: 0, stdout: `${file}: no mistake\n`, stderr: "" });
  const missing = await runProgram("tetherd", ["check", "--config", join(folder, "none.yaml"), ...state]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^tetherd: .*none\.yaml: there is no such file[^\n]*\n$/);
});
