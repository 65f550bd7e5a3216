import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentLedger } from "../../controller/discovery/agent-ledger.ts";
import { AnnouncementListener } from "../../controller/discovery/announcement-listener.ts";
import { AskRounds } from "../../controller/discovery/ask-rounds.ts";
import { type DiscoveryEvent, type FoundAgent, watch } from "../../controller/discovery/index.ts";
import {
  DISCOVERY,
  decodeDatagram,
  encodeGoodbye,
  fingerprintOf,
  type Goodbye,
} from "../../protocol/index.ts";
import { loopbackOnly, newIdentity, newInstance, testAgent, until } from "./test-agent.ts";

const identity = newIdentity();
const agent: FoundAgent = {
  id: identity.id,
  name: "greenhouse",
  address: "10.0.0.5",
  port: 7415,
  version: "0.1.0",
  fingerprint: fingerprintOf(identity.publicKey),
  tags: [],
  instance: newInstance(),
};

function goodbye(instance: string, key = identity.privateKey): Goodbye {
  const read = decodeDatagram(encodeGoodbye(instance, key));
  assert.equal(read?.type, "goodbye");
  return { ...read, id: identity.id };
}

const kinds = (events: readonly DiscoveryEvent[]) => events.map((event) => event.event);

test("an agent departs when it is silent for its lifetime, or by its own goodbye alone", () => {
  const ledger = new AgentLedger();
  ledger.hear(agent, identity.publicKey, 0);
  assert.deepEqual(ledger.events(), [{ event: "arrived", agent }]);
  ledger.expire(DISCOVERY.watchLifetime - 1);
  assert.deepEqual(ledger.events(), []);
  ledger.expire(DISCOVERY.watchLifetime);
  assert.deepEqual(ledger.events(), [{ event: "departed", agent }]);
  ledger.hear(agent, identity.publicKey, 20_000);
  assert.deepEqual(kinds(ledger.events()), ["arrived"]);

  ledger.bye(goodbye(agent.instance, newIdentity().privateKey));
  ledger.bye(goodbye(newInstance()));
  const unsigned = { ...goodbye(agent.instance), signature: new Uint8Array(64) };
  ledger.bye(unsigned);
  assert.deepEqual(ledger.events(), []);
  ledger.bye(goodbye(agent.instance));
  assert.deepEqual(kinds(ledger.events()), ["departed"]);
  ledger.hear(agent, identity.publicKey, 20_001);
  assert.deepEqual(ledger.events(), [], "an answer that was under way revives nobody");
});

test("a new instance is a restart, and the old one's late answers are not", () => {
  const ledger = new AgentLedger();
  ledger.hear(agent, identity.publicKey, 0);
  ledger.events();
  const next = { ...agent, instance: newInstance() };
  ledger.hear(next, identity.publicKey, 1);
  assert.deepEqual(ledger.events(), [{ event: "restarted", agent: next }]);
  ledger.hear(agent, identity.publicKey, 2);
  ledger.bye(goodbye(agent.instance));
  assert.deepEqual(ledger.events(), []);
  ledger.hear({ ...next, name: "barn" }, identity.publicKey, 3);
  assert.deepEqual(kinds(ledger.events()), ["changed"]);
});

test("a second path to an agent is no change, a better one is, and so is one that outlives the first", () => {
  const ledger = new AgentLedger();
  const at = (address: string, now: number) => ledger.hear({ ...agent, address }, identity.publicKey, now);
  at("fe80::5%eth0", 0);
  at("fe80::6%wlan0", 1);
  assert.deepEqual(
    ledger.events().map((event) => event.agent.address),
    ["fe80::5%eth0"],
  );
  at("10.0.0.5", 2);
  at("10.0.1.5", 3);
  assert.deepEqual(
    ledger.events().map((event) => event.agent.address),
    ["10.0.0.5"],
  );
  at("10.0.1.5", 2 + DISCOVERY.watchLifetime);
  assert.deepEqual(
    ledger.events().map((event) => event.agent.address),
    ["10.0.1.5"],
  );
});

test("what is not read is summed up, and no more agents are kept than the bound", () => {
  const ledger = new AgentLedger();
  for (let i = 0; i < DISCOVERY.agents + 100; i++) {
    ledger.hear({ ...agent, id: `agent ${i}` }, identity.publicKey, 0);
  }
  ledger.hear({ ...agent, id: "agent 0", instance: newInstance() }, identity.publicKey, 1);
  assert.equal(ledger.events().length, DISCOVERY.agents);
  ledger.hear(agent, identity.publicKey, 2);
  ledger.expire(DISCOVERY.watchLifetime + 2);
  const events = kinds(ledger.events());
  assert.deepEqual(new Set(events), new Set(["departed"]));
});

test("rounds come every interval, go on while somebody is missed, and begin anew on an announcement", () => {
  const ledger = new AgentLedger();
  const rounds = new AskRounds(0);
  const asked: number[] = [];
  const run = (from: number, to: number) => {
    for (let now = from; now < to; now++) if (rounds.takeTurn(now, ledger)) asked.push(now);
  };
  run(0, 2_500);
  assert.equal(asked.length, DISCOVERY.asksInRound, "the first round looks for the unknown");
  run(2_500, 2_901);
  assert.equal(asked.length, DISCOVERY.asksInRound + 1);
  run(2_901, 5_400);
  assert.equal(asked.length, DISCOVERY.asksInRound + 1, "nobody is missed");
  ledger.hear(agent, identity.publicKey, 5_400);
  run(5_400, 8_250);
  assert.equal(asked.length, 2 * DISCOVERY.asksInRound + 1, "somebody is missed");
  rounds.announced();
  assert.ok(rounds.takeTurn(8_250, ledger));
  assert.equal(rounds.startedAt, 8_250);
  rounds.announced();
  run(8_251, 9_250);
  assert.equal(rounds.startedAt, 8_250, "one search a second");
  assert.ok(rounds.nextAt <= 9_250);
  assert.ok(rounds.takeTurn(9_250, ledger));
  assert.equal(rounds.startedAt, 9_250);
});

test("arrival, change, restart and departure are told of as they happen", async () => {
  const first = testAgent({ identity });
  await first.start();
  const events: DiscoveryEvent[] = [];
  const abort = new AbortController();
  const watching = (async () => {
    const search = { port: first.port, interfaces: loopbackOnly, signal: abort.signal };
    for await (const event of watch(search)) events.push(event);
  })();
  const second = testAgent({ identity, port: first.port });
  try {
    await until(() => events.length === 1, "the arrival");
    first.update({ name: "barn", tags: ["new"] });
    await until(() => events.length === 2, "the change");
    await second.start();
    await until(() => events.length === 3, "the restart");
    await first.stop();
    await second.stop();
    await until(() => events.length === 4, "the departure");
    assert.deepEqual(kinds(events), ["arrived", "changed", "restarted", "departed"]);
    assert.deepEqual(
      events.map(({ agent: { name, tags } }) => [name, ...tags]),
      [
        ["greenhouse", "lab"],
        ["barn", "new"],
        ["greenhouse", "lab"],
        ["greenhouse", "lab"],
      ],
    );
  } finally {
    abort.abort();
    await Promise.all([watching, first.stop(), second.stop()]);
  }
});

test("an agent announces its start, to several controllers of one machine", async () => {
  const earlier = testAgent();
  await earlier.start();
  const { port } = earlier;
  await earlier.stop();
  const heard = new Set<string>();
  const listeners = ["one", "two"].map(
    (name) => new AnnouncementListener(port, loopbackOnly, () => heard.add(name)),
  );
  const starting = testAgent({ port });
  try {
    for (const listener of listeners) await listener.start();
    await starting.start();
    await until(() => heard.size === listeners.length, "the announcement");
  } finally {
    for (const listener of listeners) listener.stop();
    await starting.stop();
  }
});
