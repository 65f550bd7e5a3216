import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "../../controller/index.ts";
import { TetherError } from "../../protocol/index.ts";
import { startAgent } from "../agent-process.ts";
import { startComputing } from "../compute/procedures-folder.ts";
import { errorIn } from "../end-to-end/owner-acts.ts";
import { tetherError } from "../identity/folder.ts";
import { seeded } from "../wire/random.ts";
import { CuttingLink } from "./cutting-link.ts";

const CUTS = 50;

/** Procedures with an effect that stays: a character in a file for each time. */
const PROCEDURES = `
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
const count = { type: "integer" };
const file = { type: "string" };
const member = (name, retryable, parameters, run) => ({ name, summary: "", parameters, retryable, run });
const until = async (file, signal) => {
  while (!existsSync(file)) await wait(5, undefined, { signal });
};
export const procedures = [
  member("count.add", false, { file, n: count }, ({ file, n }) => {
    appendFileSync(file, n + "\\n");
    return n * 2;
  }),
  member("count.slow", false, { file, gate: file }, async ({ file, gate }, { signal }) => {
    appendFileSync(file, "x");
    await until(gate, signal);
    return "through";
  }),
  member("count.again", true, { file, gate: file }, async ({ file, gate }, { signal }) => {
    appendFileSync(file, "x");
    await until(gate, signal);
    return "through";
  }),
  member("count.many", false, { file }, function* ({ file }) {
    appendFileSync(file, "x");
    yield 1;
    yield 2;
  }),
];
`;

const { agent } = await startComputing({ after }, { "count.mjs": PROCEDURES });
const link = await CuttingLink.start({ after }, agent.port);
const home = agent.makeHome();
const { code } = JSON.parse((await agent.tetherd(["pair", "--json"])).stdout) as { code: string };
await agent.tether(["pair", `127.0.0.1:${link.port}`, "--code", "-"], { home, input: code });

const path = (name: string) => join(agent.folder, name);
const lines = (file: string) => readFileSync(path(file), "utf8").split("\n").slice(0, -1);
const times = (file: string) => (existsSync(path(file)) ? readFileSync(path(file), "utf8").length : 0);
const until = async (fits: () => boolean) => {
  while (!fits()) await wait(5);
};

async function client(owner: { after(action: () => void): void }) {
  const made = await connect("test-agent", { folder: home });
  owner.after(() => made.close());
  return made;
}

suite("calls over a connection that breaks", { timeout: 120_000 }, () => {
  test("1,000 with a key over 50 cuts: each acts once and gets its own result", async (t) => {
    const calling = await client(t);
    const random = seeded(20_261_121);
    let next = 0;
    let answered = 0;
    // A cut is due in each of fifty stretches of the calls, and falls somewhere in what is carried then.
    const due = Array.from({ length: CUTS }, (_, cut) => Math.floor((cut + random()) * (950 / CUTS)));
    let left = 3;
    link.onCarry = () => {
      if (answered < (due[link.cuts] ?? Infinity) || --left > 0) return;
      left = 1 + Math.floor(random() * 4);
      link.cut();
    };
    t.after(() => {
      link.onCarry = () => undefined;
    });
    const worker = async () => {
      for (let n = next++; n < 1_000; n = next++) {
        const result = await calling.call("count.add", [path("thousand"), n], { key: `thousand-${n}` });
        assert.equal(result, n * 2);
        answered++;
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.equal(link.cuts, CUTS);
    assert.deepEqual(
      lines("thousand")
        .map(Number)
        .sort((a, b) => a - b),
      Array.from({ length: 1_000 }, (_, n) => n),
    );
  });

  test("a keyed call goes on without its caller, who comes back for the result", async (t) => {
    const calling = await client(t);
    const called = calling.call("count.slow", [path("slow"), path("gate-slow")], { key: "slow" });
    await until(() => times("slow") === 1);
    link.cut();
    writeFileSync(path("gate-slow"), "");
    assert.equal(await called, "through");
    assert.equal(times("slow"), 1);
    assert.equal(
      (await agent.tether(["call", "count.slow", path("slow"), path("gate-slow"), "--key", "slow"], { home }))
        .stdout,
      "through\n",
    );
    assert.equal(times("slow"), 1, "another program has the result too");
  });

  test("without a key only what may be called twice is sent again; the rest says that nobody knows", async (t) => {
    const calling = await client(t);
    const again = calling.call("count.again", [path("again"), path("gate-again")]);
    const once = calling.call("count.slow", [path("once"), path("gate-once")]);
    const failed = assert.rejects(
      once,
      tetherError("unreachable", /count\.slow.*whether it was carried out is not known/),
    );
    await until(() => times("again") === 1 && times("once") === 1);
    link.cut();
    await failed;
    await until(() => times("again") === 2);
    writeFileSync(path("gate-again"), "");
    assert.equal(await again, "through");
    assert.equal(times("once"), 1);
    assert.equal(await calling.call("math.add", [1, 2]), 3, "the client goes on by the new connection");
  });

  test("of a batch only those members are sent again that may be", async (t) => {
    const calling = await client(t);
    const slow = { method: "count.slow", params: [path("batch"), path("gate-batch")] };
    const outcomes = calling.batch([
      { method: "math.add", params: [1, 2] },
      slow,
      { method: "count.slow", params: [path("batch-keyed"), path("gate-batch")], key: "batch" },
    ]);
    await until(() => times("batch") === 1 && times("batch-keyed") === 1);
    link.cut();
    writeFileSync(path("gate-batch"), "");
    const [sum, unknown, keyed] = await outcomes;
    assert.deepEqual([sum, keyed], [{ result: 3 }, { result: "through" }]);
    assert.equal(unknown !== undefined && "error" in unknown && unknown.error.code, "unreachable");
    assert.deepEqual([times("batch"), times("batch-keyed")], [1, 1]);
  });

  test("a call that is given up while the connection is gone fails at once, and --timeout bounds the waiting", async (t) => {
    const calling = await client(t);
    const { target } = link;
    link.target = 1;
    t.after(() => {
      link.target = target;
    });
    const abort = new AbortController();
    const cancelled = calling.call("count.add", [path("never"), 1], { key: "never", signal: abort.signal });
    const late = calling.call("count.add", [path("never"), 2], { key: "late", timeout: 300 });
    link.cut();
    const failures = [
      assert.rejects(cancelled, tetherError("cancelled", /enough/)),
      assert.rejects(late, tetherError("timeout", /./)),
    ];
    abort.abort(new TetherError("cancelled", "enough"));
    await Promise.all(failures);
  });

  test("without reconnect nothing is sent twice", async (t) => {
    const calling = await connect("test-agent", { folder: home, reconnect: false });
    t.after(() => calling.close());
    const called = calling.call("count.slow", [path("plain"), path("gate-plain")], { key: "plain" });
    const failed = assert.rejects(called, tetherError("unreachable", /./));
    await until(() => times("plain") === 1);
    link.cut();
    await failed;
    writeFileSync(path("gate-plain"), "");
  });
});

suite("tether call --key", { timeout: 120_000 }, () => {
  const add = (file: string, n: number, key: string, who = home) =>
    agent.tether(["call", "count.add", path(file), String(n), "--key", key, "--json"], { home: who });

  test("acts once for a key, and each controller has its own", async () => {
    assert.deepEqual(await add("cli", 1, "k"), { code: 0, stdout: "2\n", stderr: "" });
    assert.deepEqual(await add("cli", 1, "k"), { code: 0, stdout: "2\n", stderr: "" });
    assert.equal(lines("cli").length, 1);
    const other = await add("cli", 2, "k");
    assert.equal(other.code, 1);
    assert.equal(errorIn(other.stderr).code, "invalid");
    const tablet = agent.makeHome();
    await agent.pair(tablet);
    assert.equal((await add("cli", 2, "k", tablet)).stdout, "4\n");
    assert.equal(lines("cli").length, 2);
  });

  test("gives many results at the end, the same each time", async () => {
    const args = ["call", "count.many", path("many"), "--key", "many", "--json"];
    assert.equal((await agent.tether(args, { home })).stdout, "[1,2]\n");
    assert.equal((await agent.tether(args, { home })).stdout, "[1,2]\n");
    assert.equal(times("many"), 1);
  });

  test("a line of a batch has its own key", async () => {
    const line = JSON.stringify({ method: "count.add", params: [path("lines"), 4], key: "line" });
    const ended = await agent.tether(["call", "--batch", "-"], { home, input: `${line}\n${line}\n` });
    assert.equal(ended.stdout, '{"result":8}\n{"result":8}\n');
    assert.equal(lines("lines").length, 1);
    const wrong = ["call", "--batch", "-", "--key", "x"];
    assert.equal((await agent.tether(wrong, { home, input: line })).code, 2);
    assert.equal((await agent.tether(["call", "math.add", "1", "2", "--key", ""], { home })).code, 2);
  });

  test("an agent that was restarted since says that it does not know", async () => {
    assert.equal((await add("restart", 1, "r")).stdout, "2\n");
    await agent.stop();
    const again = await startAgent({ after }, { folder: agent.folder });
    link.target = again.port;
    const unknown = await add("restart", 1, "r");
    assert.equal(unknown.code, 3);
    const error = errorIn(unknown.stderr);
    assert.equal(error.code, "unreachable");
    assert.match(error.message, /not known.*restarted/);
    assert.equal(lines("restart").length, 1);
    assert.equal((await add("restart", 1, "r2")).stdout, "2\n");
  });
});
