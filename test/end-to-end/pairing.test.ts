import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { errorIn, issueCode } from "./owner-acts.ts";
import { assertNoSecrets } from "./secrets.ts";
import { askOn, connectStranger, pairingRequest, strangersKey } from "./stranger.ts";

/** Tries a code with `tether pair --json`; gives exit code and error code. */
async function tryCode(agent: AgentProcess, code: string, home: string, host = "127.0.0.1") {
  const args = ["pair", `${host}:${agent.port}`, "--code", code, "--json"];
  const ended = await agent.tether(args, { home });
  return ended.code === 0 ? "paired" : `${ended.code} ${errorIn(ended.stderr).code}`;
}

const otherCode = (code: string) => (code.startsWith("0") ? "1" : "0") + code.slice(1);

test("only the newest code that was not used and is not too old pairs, however it is typed", async (t) => {
  const agent = await startAgent(t);
  const home = agent.makeHome();
  const replaced = await issueCode(agent);
  const { code } = await issueCode(agent);
  const short = await issueCode(agent, "--ttl", "1ms");
  await wait(2);
  assert.equal(await tryCode(agent, short.code, home), "4 unauthorized");
  const second = await issueCode(agent);
  assert.equal(await tryCode(agent, replaced.code, home), "4 unauthorized");
  assert.equal(await tryCode(agent, code, home), "4 unauthorized");
  assert.equal(await tryCode(agent, otherCode(second.code), home), "4 unauthorized");
  assert.ok(!existsSync(join(home, "agents.json")), "nothing is stored of an agent that refused");
  const typed = second.code.replaceAll("-", "").toLowerCase().replaceAll("1", "l").replaceAll("0", "o");
  assert.equal(await tryCode(agent, typed, home), "paired");
  const other = agent.makeHome();
  assert.equal(await tryCode(agent, second.code, other), "4 unauthorized");
  assert.ok(!existsSync(join(other, "agents.json")));

  const refusals = agent.log.filter(({ event }) => event === "pairing-refused");
  assert.equal(refusals.length, 5);
  for (const line of refusals) {
    assert.equal(line.address, "127.0.0.1");
    assert.match(String(line.fingerprint), /^SHA256:/);
    assert.match(line.message, /not valid/);
  }
  const paired = agent.log.find(({ event }) => event === "paired");
  assert.equal(paired?.role, "admin");
  assert.equal(paired?.address, "127.0.0.1");
  assertNoSecrets(agent, [replaced.code, code, short.code, second.code]);
});

test("what is no code never leaves the laptop", async (t) => {
  const agent = await startAgent(t);
  const { code } = await issueCode(agent);
  const home = agent.makeHome();
  const tries = ["", "1234", `${code}0`, `U${code.slice(1)}`, "ßßßß-ßßßß-ßßßß-ßßßß"];
  const outcomes = await Promise.all(tries.map((text) => tryCode(agent, text, home)));
  assert.deepEqual(
    outcomes,
    tries.map(() => "1 invalid"),
  );
  const without = await agent.tether(["pair", `127.0.0.1:${agent.port}`], { home });
  assert.equal(without.code, 2);
  assert.match(without.stderr, /^tether: --code is missing \(.*tetherd pair.*\)\n$/);
  const nowhere = await agent.tether(["pair", "--code", code], { home });
  assert.equal(nowhere.code, 2);
  assert.equal(agent.log.filter(({ event }) => event === "pairing-refused").length, 0);
  assert.equal(await tryCode(agent, code, home), "paired", "and spends no code");
});

test("after five wrong codes an address has to wait, others do not, and the code is not spent", async (t) => {
  const agent = await startAgent(t, { configuration: { listen: { host: "::", port: 0 } } });
  const { code } = await issueCode(agent);
  const wrong = otherCode(code);
  const identity = strangersKey();
  const outcomes: string[] = [];
  for (let n = 0; n < 6; n++) {
    const connection = await connectStranger(t, agent.port, { identity });
    const answer = await askOn(connection, "pair", pairingRequest(connection, identity, wrong));
    outcomes.push("error" in answer ? answer.error.code : "paired");
    connection.close();
  }
  assert.deepEqual(outcomes, [...Array(5).fill("unauthorized"), "limit"]);
  const home = agent.makeHome();
  assert.equal(await tryCode(agent, code, home), "1 limit", "the right code is not looked at either");
  assert.equal(await tryCode(agent, code, home, "[::1]"), "paired", "from another address it still works");
  const limited = agent.log.find((line) => line.event === "pairing-refused" && line.code === "limit");
  assert.match(String(limited?.message), /too many wrong pairing codes/);
  assertNoSecrets(agent, [code, wrong]);
});

test("a second document on a pairing stream, and what is no request, get no second try", async (t) => {
  const agent = await startAgent(t);
  const { code } = await issueCode(agent);
  for (const nonsense of ["", "[]", "null", '{"proof":1,"label":"x"}', '{"proof":"AAAA"}', "{", "\u0000"]) {
    const connection = await connectStranger(t, agent.port);
    const answer = await askOn(connection, "pair", nonsense);
    assert.ok("error" in answer && answer.error.code === "invalid", nonsense);
    connection.close();
  }
  assert.equal(await tryCode(agent, code, agent.makeHome()), "paired");
});

test("one controller cannot be paired by two who know one code", async (t) => {
  const agent = await startAgent(t);
  const { code } = await issueCode(agent, "--role", "viewer", "--label", "desk");
  const homes = Array.from({ length: 4 }, () => agent.makeHome());
  const outcomes = await Promise.all(homes.map((home) => tryCode(agent, code, home)));
  assert.deepEqual(outcomes.sort(), ["4 unauthorized", "4 unauthorized", "4 unauthorized", "paired"]);
  const list = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout) as { label: string }[];
  assert.deepEqual(
    list.map(({ label }) => label),
    ["desk"],
  );
  const stored = homes.filter((home) => readdirSync(home).includes("agents.json"));
  assert.equal(stored.length, 1);
});
