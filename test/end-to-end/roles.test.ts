import assert from "node:assert/strict";
import { test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { BENCH } from "./bench-device.ts";
import { errorIn } from "./owner-acts.ts";

test("without pairing every verb that needs an agent exits with 4 and prints nothing", async (t) => {
  const agent = await startAgent(t);
  const address = `127.0.0.1:${agent.port}`;
  const verbs = [
    ["info"],
    ["ping"],
    ["procedures"],
    ["call", "math.add", "1", "2"],
    ["device", "list"],
    ["logs"],
  ];
  const home = agent.makeHome();
  await Promise.all(
    [[], ["-a", "greenhouse"], ["-a", address], ["--all"]].map(async (choice) => {
      for (const verb of verbs) {
        const ended = await agent.tether([...verb, ...choice], { home });
        const what = [...verb, ...choice].join(" ");
        assert.equal(ended.code, 4, what);
        assert.equal(ended.stdout, "", what);
        assert.match(ended.stderr, /^tether: [^\n]+ \([^\n]+\)\n$/, what);
      }
    }),
  );
});

test("a role is what its name says, for calls, lists and the log", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  const homes = new Map<string, string>();
  for (const role of ["viewer", "operator", "admin"]) {
    homes.set(role, await agent.pair(agent.makeHome(), { role }));
  }
  const as = (role: string, ...args: string[]) =>
    agent.tether([...args, "--json"], { home: homes.get(role) ?? "" });

  const [viewer, operator, admin] = await Promise.all(
    ["viewer", "operator", "admin"].map((role) => as(role, "call", "devices.bench.led", "1")),
  );
  assert.equal(viewer?.code, 4);
  const refusal = errorIn(viewer?.stderr ?? "");
  assert.equal(refusal.code, "forbidden");
  assert.match(refusal.message, /devices\.bench\.led/);
  assert.deepEqual(
    [operator, admin].map((ended) => ended?.stdout),
    ['"OK"\n', '"OK"\n'],
  );

  const readable = ["call", "devices.list"];
  assert.equal((await as("viewer", ...readable)).code, 0);
  assert.equal((await as("viewer", "call", "math.add", "1", "2")).stdout, "3\n");
  for (const role of ["viewer", "operator"]) {
    const logs = await as(role, "logs");
    assert.equal(logs.code, 4, role);
    assert.equal(errorIn(logs.stderr).code, "forbidden");
  }
  assert.equal((await as("admin", "logs")).code, 0);

  const batch = '{"method":"devices.bench.led","params":[1]}\n{"method":"math.add","params":[1,2]}\n';
  const mixed = await agent.tether(["call", "--batch", "-"], {
    home: homes.get("viewer") ?? "",
    input: batch,
  });
  assert.equal(mixed.code, 1);
  const [first, second] = mixed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(first.error.code, "forbidden");
  assert.deepEqual(second, { result: 3 });

  const line = await agent.line("forbidden", ({ procedure }) => procedure === "devices.bench.led");
  assert.equal(line.role, "viewer");
  assert.equal(line.address, "127.0.0.1");
  assert.equal(typeof line.label, "string");
});

test("a laptop that is paired again with another role has that one, in open sessions too", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  const home = await agent.pair();
  const slow = agent.tether(["call", "devices.bench.silence", "--json"], { home });
  await agent.line("connected");
  await agent.pair(home, { role: "viewer" });
  const ended = await slow;
  assert.equal(ended.code, 4);
  assert.equal(errorIn(ended.stderr).code, "forbidden");
  assert.equal((await agent.tether(["call", "devices.bench.led", "1"], { home })).code, 4);
  const list = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
  assert.equal(list.length, 1);
  assert.equal(list[0].role, "viewer");
});

test("revoking ends a call in flight at once, and every later one", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  const home = await agent.pair();
  const other = await agent.pair();
  const inFlight = [home, other].map((one) =>
    agent.tether(["call", "devices.bench.silence", "--json"], { home: one }),
  );
  await agent.line("connected");
  const [mine] = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
  await agent.line("connected", ({ label }) => label !== mine.label);

  const before = performance.now();
  const revoked = await agent.tetherd(["revoke", mine.label]);
  assert.deepEqual({ ...revoked, stderr: "" }, { code: 0, stdout: `${mine.label} is revoked\n`, stderr: "" });
  const ended = await (inFlight[0] as (typeof inFlight)[number]);
  assert.ok(performance.now() - before < 4_000, "and did not wait for the device");
  assert.equal(ended.code, 4);
  assert.equal(errorIn(ended.stderr).code, "unauthorized");
  assert.match(errorIn(ended.stderr).message, /revoked/);
  assert.equal(ended.stdout, "");

  const later = await agent.tether(["call", "math.add", "1", "2", "--json"], { home });
  assert.equal(later.code, 4);
  assert.equal(errorIn(later.stderr).code, "unauthorized");
  assert.match(errorIn(later.stderr).hint ?? "", /tetherd pair/);
  assert.equal((await agent.tether(["info"], { home })).code, 4);
  const still = await agent.tether(["call", "math.add", "1", "2"], { home: other });
  assert.equal(still.stdout, "3\n", "the other one stays");

  const line = await agent.line("revoked");
  assert.equal(line.fingerprint, mine.fingerprint);
  await agent.line("unauthorized", ({ fingerprint }) => fingerprint === mine.fingerprint);
  const again = await agent.tetherd(["revoke", mine.label, "--json"]);
  assert.equal(again.code, 1);
  assert.equal(errorIn(again.stderr).code, "not-found");
  const [last] = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
  assert.equal((await agent.tetherd(["revoke", last.fingerprint])).code, 0);
  await agent.stop();
  await inFlight[1];
});
