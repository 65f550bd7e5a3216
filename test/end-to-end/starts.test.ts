import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type AgentProcess, programArguments, runProgram, startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { needs } from "../peers.ts";
import { errorIn, issueCode } from "./owner-acts.ts";

/** Starts an agent that cannot start; gives what it says, which is one line. */
async function failToStart(folder: string, configuration: object = {}, state = join(folder, "state")) {
  const file = join(folder, "agent.yaml");
  const base = { listen: { host: "127.0.0.1", port: 0 }, discovery: { broadcast: false } };
  writeFileSync(file, JSON.stringify({ ...base, ...configuration }), { mode: 0o600 });
  const ended = await runProgram("tetherd", ["run", "--config", file, "--state", state]);
  assert.equal(ended.code, 1);
  assert.doesNotMatch(ended.stdout, /"event":"ready"/);
  assert.match(ended.stderr, /^tetherd: [^\n]+\n$/);
  return ended.stderr;
}

test("a port that is taken, or is not this machine's, is one line that says what to do", async (t) => {
  const folder = temporaryFolder(t);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const taken = await failToStart(folder, { listen: { host: "127.0.0.1", port } });
  assert.match(taken, new RegExp(`127\\.0\\.0\\.1:${port} is in use by another program \\(.*listen\\.port`));
  const foreign = await failToStart(folder, { listen: { host: "192.0.2.77", port: 0 } });
  assert.match(foreign, /192\.0\.2\.77.*no such address \(.*listen\.host/);
  // What was begun is given back.
  assert.match(await failToStart(folder, { listen: { host: "127.0.0.1", port } }), /in use/);
});

test("a state folder whose socket path is too long, loose, damaged or no folder is one line", async (t) => {
  const folder = temporaryFolder(t);
  const long = await failToStart(folder, {}, join(folder, "x".repeat(100)));
  assert.match(long, /control\.sock: the path of a Unix socket has at most 107 bytes.*--state/);

  const loose = join(folder, "loose");
  mkdirSync(loose);
  chmodSync(loose, 0o755);
  assert.match(await failToStart(folder, {}, loose), /loose has mode 0755.*chmod 0700/);
  chmodSync(loose, 0o700);
  writeFileSync(join(loose, "key.pem"), "x", { mode: 0o644 });
  assert.match(await failToStart(folder, {}, loose), /key\.pem has mode 0644.*chmod 0600/);
  chmodSync(join(loose, "key.pem"), 0o600);
  assert.match(await failToStart(folder, {}, loose), /key\.pem is not an unencrypted private key.*backup/);
  rmSync(join(loose, "key.pem"));
  writeFileSync(join(loose, "controllers.json"), "{", { mode: 0o600 });
  assert.match(await failToStart(folder, {}, loose), /controllers\.json is damaged/);
  const file = join(folder, "file");
  writeFileSync(file, "");
  assert.match(await failToStart(folder, {}, file), /file/);
});

test("without the serial port's addon the agent runs, and the device says what is missing", async (t) => {
  if (!needs(t, "socat")) return;
  const [bundle] = programArguments("tetherd").slice(-1);
  const alone = join(temporaryFolder(t), "tetherd.cjs");
  copyFileSync(String(bundle), alone);
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  const device = {
    name: "bench",
    serial: { path: terminal.path },
    driver: "line",
    commands: { ping: { send: "PING", expect: "^PONG" } },
  };
  const agent = await startAgent(t, { configuration: { devices: [device] }, program: alone });
  const home = await agent.pair();
  const ended = await agent.tether(["call", "devices.bench.ping", "--json"], { home });
  assert.equal(ended.code, 1);
  assert.equal(errorIn(ended.stderr).code, "device-failed");
  assert.match(errorIn(ended.stderr).message, /serial/);
  assert.equal((await agent.tether(["call", "math.add", "1", "2"], { home })).stdout, "3\n");
  const [shown] = JSON.parse((await agent.tether(["device", "list", "--json"], { home })).stdout);
  assert.equal(shown.state, "failed");
  const lines = agent.log.filter((line) => line.event === "device-state" && line.state === "failed");
  assert.equal(lines.length, 1);
  assert.match(String(lines[0]?.message), /module cannot be loaded/);
  assert.ok(!/\n/.test(JSON.stringify(lines[0])));
});

test("a full disk is one line at the start, and afterwards fails what has to be kept, not the agent", async (t) => {
  const folder = temporaryFolder(t);
  const state = mkdtempSync(join(tmpdir(), "tether-tiny-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", state], { stdio: "ignore" });
  } catch {
    rmdirSync(state);
    t.skip("needs root, and the right to mount");
    return;
  }
  t.after(() => {
    execFileSync("umount", ["-l", state]);
    rmdirSync(state);
  });
  symlinkSync(state, join(folder, "state"));
  const fill = () => {
    const { bavail, bsize } = statfsSync(state);
    if (bavail > 0) writeFileSync(join(state, "ballast"), Buffer.alloc(bavail * bsize), { mode: 0o600 });
  };
  const free = () => rmSync(join(state, "ballast"));
  fill();
  assert.match(await failToStart(folder, {}, state), /the disk is full \(make room there/);
  free();

  const agent = await startAgent(t, { folder });
  const home = await agent.pair();
  const { code } = await issueCode(agent);
  fill();
  const refused = await pairJson(agent, code);
  assert.equal(refused.code, 1);
  assert.equal(errorIn(refused.stderr).code, "quota");
  const revoke = await agent.tetherd(["revoke", "1", "--json"]);
  assert.equal(revoke.code, 1);
  const line = await agent.line("pairing-refused");
  assert.equal(line.code, "quota");
  assert.equal((await agent.tether(["call", "math.add", "1", "2"], { home })).stdout, "3\n");
  assert.equal(JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout).length, 1);
  free();
  assert.equal((await pairJson(agent, (await issueCode(agent)).code)).code, 0);
  fill();
  assert.equal(await agent.stop(), 0, "and it ends in peace");
});

function pairJson(agent: AgentProcess, code: string) {
  const args = ["pair", `127.0.0.1:${agent.port}`, "--code", code, "--json"];
  return agent.tether(args, { home: agent.makeHome() });
}

test("without --state the environment says where the state is", async (t) => {
  const folder = temporaryFolder(t);
  const status = async (env: NodeJS.ProcessEnv) =>
    (await runProgram("tetherd", ["status"], { env: { HOME: folder, ...env } })).stderr;
  assert.match(await status({ STATE_DIRECTORY: "/s/one:/s/two", XDG_STATE_HOME: "/x" }), /\/s\/one /);
  assert.match(await status({ XDG_STATE_HOME: "/x" }), /folder \/x\/tether /);
  assert.match(await status({ XDG_STATE_HOME: "" }), new RegExp(`folder ${folder}/\\.local/state/tether `));
});
