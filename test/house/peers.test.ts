import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { allPeers, findCommand, packagesOf, peersInReason } from "../peers.ts";

const PEERS = new URL("../peers.ts", import.meta.url).href;

/** Runs `code` with the table as `peers`, on a path where no program is. */
function withoutPrograms(code: string, env: Record<string, string> = {}) {
  const script = `import(${JSON.stringify(PEERS)}).then(async (peers) => { ${code} });`;
  return spawnSync(process.execPath, ["--import", "tsx", "-e", script], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { PATH: "/nonexistent", ...env },
    encoding: "utf8",
  });
}

test("every peer names packages that apt could install", () => {
  for (const name of allPeers()) {
    const packages = packagesOf([name]);
    assert.ok(packages.length > 0, name);
    for (const debianPackage of packages) assert.match(debianPackage, /^[a-z0-9][a-z0-9+.-]+$/);
  }
});

test("packages are named once and in order", () => {
  assert.deepEqual(packagesOf(["socat", "mosquitto", "socat"]), ["mosquitto", "mosquitto-clients", "socat"]);
});

test("a program on the path is found, one that is nowhere is not", () => {
  assert.match(findCommand("sh") ?? "", /\/sh$/);
  assert.equal(findCommand("no-such-program"), undefined);
});

test("a missing peer is a reason to skip that names the package", () => {
  const { stdout } = withoutPrograms('console.log(peers.missing("tmux", "socat"));');
  assert.equal(stdout, "needs tmux, socat: apt-get install socat tmux\n");
  assert.deepEqual(peersInReason(stdout.trim()), ["tmux", "socat"]);
});

test("what lacks nothing is no reason to skip", () => {
  assert.equal(withoutPrograms("console.log(peers.missing());").stdout, "false\n");
});

test("a reason of another kind names no peer", () => {
  assert.deepEqual(peersInReason("needs a good idea"), []);
});

test("needs skips the test and says so", () => {
  const { stdout } = withoutPrograms(
    'console.log(peers.needs({ skip: (reason) => console.log("skip", reason) }, "tmux"));',
  );
  assert.equal(stdout, "skip needs tmux: apt-get install tmux\nfalse\n");
});

test("a missing peer is an error where peers are required", () => {
  const { status, stderr } = withoutPrograms('peers.needs({ skip() {} }, "tmux");', {
    TETHER_PEERS: "required",
  });
  assert.notEqual(status, 0);
  assert.match(stderr, /needs tmux: apt-get install tmux/);
});
