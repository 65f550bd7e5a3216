import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { type AgentProcess, runProgram, startAgent } from "../agent-process.ts";
import { errorIn, issueCode } from "../end-to-end/owner-acts.ts";

const owner = { after };
/** An agent that can be reached over IPv4 and IPv6 loopback. */
const start = (name: string, tags: string[]) =>
  startAgent(owner, { configuration: { name, tags, listen: { host: "::", port: 0 } } });
const [red, blue, gone] = await Promise.all([
  start("red", ["lab", "warm"]),
  start("blue", ["lab"]),
  start("gone", []),
]);
const home = await red.pair();
await pairAt(blue, `[::1]:${blue.port}`);
await gone.pair(home);

async function pairAt(agent: AgentProcess, address: string) {
  const { code } = await issueCode(agent);
  const ended = await agent.tether(["pair", address, "--code", "-", "--json"], { home, input: `${code}\n` });
  assert.equal(ended.code, 0, ended.stderr);
}

const tether = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  runProgram("tether", args, { home, env });
const nameOf = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const ended = await tether(["call", "system.info", "--json", ...args], env);
  return ended.code === 0 ? JSON.parse(ended.stdout).name : `${ended.code} ${errorIn(ended.stderr).code}`;
};

suite("which agent is meant", () => {
  test("agents lists them in the order of pairing, use sets the default", async () => {
    const agents = JSON.parse((await tether(["agents", "--json"])).stdout);
    assert.deepEqual(
      agents.map((agent: object) => Object.keys(agent)),
      Array(3).fill(["name", "id", "address", "port", "fingerprint", "role", "tags", "pairedAt", "default"]),
    );
    assert.deepEqual(
      agents.map(({ name, address, port, tags, default: isDefault }: Record<string, unknown>) => [
        name,
        address,
        port,
        tags,
        isDefault,
      ]),
      [
        ["red", "127.0.0.1", red.port, ["lab", "warm"], false],
        ["blue", "::1", blue.port, ["lab"], false],
        ["gone", "127.0.0.1", gone.port, [], false],
      ],
    );
    assert.equal(await nameOf([]), "2 usage", "none of three is the default");
    const unclear = await tether(["info"]);
    assert.match(unclear.stderr, /several agents are paired: red, blue, gone \(.*-a NAME.*tether use NAME/);

    const used = await tether(["use", "blue", "--json"]);
    assert.deepEqual(Object.keys(JSON.parse(used.stdout)), ["name", "id"]);
    assert.equal(await nameOf([]), "blue");
    assert.match((await tether(["agents"])).stdout, /^blue \* /m);
    assert.equal(await nameOf([], { TETHER_AGENT: "red" }), "red", "the environment goes before it");
    assert.equal(await nameOf(["-a", "blue"], { TETHER_AGENT: "red" }), "blue", "-a before both");
    assert.equal((await tether(["use", "nobody"])).code, 1);
  });

  test("a name, an id, HOST:PORT, and an IPv6 address in brackets", async () => {
    const { id } = JSON.parse((await red.tetherd(["status", "--json"])).stdout);
    for (const word of ["red", id, `127.0.0.1:${red.port}`, `[::1]:${red.port}`, `localhost:${red.port}`]) {
      assert.equal(await nameOf(["-a", word]), "red", word);
    }
    assert.equal(await nameOf(["-a", `[::1]:${blue.port}`]), "blue");
    assert.equal(await nameOf(["-a", "nobody"]), "4 unauthorized");
    assert.equal(await nameOf(["-a", "127.0.0.1:1"]), "3 unreachable");
    assert.equal(await nameOf(["-a", "127.0.0.1:99999"]), "2 usage");
    const alone = { home: red.makeHome() };
    const stranger = await runProgram("tether", ["info", "-a", `127.0.0.1:${red.port}`, "--json"], alone);
    assert.equal(stranger.code, 4);
    assert.match(errorIn(stranger.stderr).message, new RegExp(red.fingerprint.replace(/[+]/g, "\\+")));
  });
});

suite("several agents", () => {
  test("are answered by name, each once however it was named", async () => {
    const both = await tether(["call", "math.add", "1", "2", "--json", "-a", "red", "-a", "blue"]);
    assert.deepEqual(both, { code: 0, stdout: '{"red":3,"blue":3}\n', stderr: "" });
    const tagged = await tether(["call", "net.hostname", "--json", "--tag", "lab"]);
    assert.deepEqual(Object.keys(JSON.parse(tagged.stdout)), ["red", "blue"]);
    const same = await tether([
      "call",
      "math.add",
      "1",
      "2",
      "--json",
      "-a",
      "red",
      "-a",
      `127.0.0.1:${red.port}`,
    ]);
    assert.equal(same.stdout, "3\n");
    const plain = await tether(["call", "math.add", "1", "2", "-a", "red", "-a", "blue"]);
    assert.match(plain.stdout, /^(red|blue):\n {2}3\n(red|blue):\n {2}3\n$/);
    assert.equal((await tether(["info", "--tag", "nothing"])).code, 4);
    assert.equal((await tether(["use", "red", "-a", "blue"])).code, 0, "a verb without an agent ignores it");
  });

  test("of which some fail are exit 5, with every outcome", async () => {
    await gone.stop();
    const all = await tether(["call", "math.add", "1", "2", "--json", "--all"]);
    assert.equal(all.code, 5);
    assert.equal(all.stderr, "");
    const outcomes = JSON.parse(all.stdout);
    assert.deepEqual(Object.keys(outcomes), ["red", "blue", "gone"]);
    assert.deepEqual([outcomes.red, outcomes.blue], [3, 3]);
    assert.deepEqual(Object.keys(outcomes.gone), ["error"]);
    assert.equal(outcomes.gone.error.code, "unreachable");

    const plain = await tether(["call", "nope", "-a", "red", "-a", "nobody"]);
    assert.equal(plain.code, 5);
    assert.equal(plain.stdout, "");
    const lines = plain.stderr.trimEnd().split("\n").sort();
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? "", /^tether: nobody: no agent "nobody"/);
    assert.match(lines[1] ?? "", /^tether: red: .*nope/);
  });

  test("of which one takes too long are exit 3, and the others' results are there", async () => {
    gone.signal("SIGKILL");
    const frozen = await startAgent(owner, { configuration: { name: "frozen" } });
    await frozen.pair(home);
    frozen.signal("SIGSTOP");
    const ended = await tether([
      "call",
      "math.add",
      "1",
      "2",
      "--json",
      "-a",
      "red",
      "-a",
      "frozen",
      "--timeout",
      "1s",
    ]);
    frozen.signal("SIGCONT");
    assert.equal(ended.code, 3);
    const outcomes = JSON.parse(ended.stdout);
    assert.equal(outcomes.red, 3);
    assert.equal(outcomes.frozen.error.code, "timeout");
    assert.equal(errorIn(ended.stderr).code, "timeout");
  });
});

test("forget forgets here, in whatever words", async () => {
  const forgot = await tether(["forget", `[::1]:${blue.port}`, "--json"]);
  assert.deepEqual(Object.keys(JSON.parse(forgot.stdout)), ["name", "id"]);
  assert.equal(JSON.parse(forgot.stdout).name, "blue");
  assert.equal((await tether(["forget", "blue"])).code, 1);
  const plain = await tether(["forget", "red"]);
  assert.match(plain.stdout, /^red is forgotten here; `tetherd revoke`/);
  const list = JSON.parse((await red.tetherd(["controllers", "--json"])).stdout);
  assert.equal(list.length, 1, "the other half stays until it is revoked there");
  assert.equal(await nameOf(["-a", "red"]), "4 unauthorized");
});

test("pair --name names it here, and refuses a name that is taken before the code is spent", async () => {
  const { code } = await issueCode(red);
  const pair = (name: string) =>
    tether(["pair", `127.0.0.1:${red.port}`, "--code", code, "--name", name, "--json"]);
  assert.equal(errorIn((await pair("gone")).stderr).code, "exists");
  assert.equal(errorIn((await pair("a b")).stderr).code, "invalid");
  const paired = JSON.parse((await pair("Büro")).stdout);
  assert.equal(paired.name, "Büro");
  assert.equal(await nameOf(["-a", "Büro"]), "red");
});
