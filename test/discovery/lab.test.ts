import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, suite, test } from "node:test";
import type { DiscoveryEvent, FoundAgent } from "../../controller/discovery/index.ts";
import { createLab, type Lab } from "../network.ts";
import { missing } from "../peers.ts";
import { until } from "./test-agent.ts";

const NODE = [process.execPath, "--import", "tsx"];
/** Four agents behind one bridge, and a fifth that only the controller's second interface reaches. */
const PLAN = {
  laptop: ["red", "blue"],
  pi1: ["red"],
  pi2: ["red"],
  pi3: ["red"],
  pi4: ["red"],
  pi5: ["blue"],
};
const AGENTS = Object.keys(PLAN).slice(1);

suite("in a lab of network namespaces", { skip: missing("netns") }, () => {
  let lab: Lab;
  let search: (runs: number) => Promise<FoundAgent[][]>;
  const agents = new Map<string, ChildProcess>();
  const keys = new Map(
    AGENTS.map((name) => [
      name,
      generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("hex"),
    ]),
  );

  async function startAgent(name: string): Promise<void> {
    const command = [...NODE, "test/discovery/agent-process.ts", name, "7415", keys.get(name) ?? ""];
    const agent = lab.host(name).spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
    agents.set(name, agent);
    if (agent.stdout) await once(agent.stdout, "data");
  }

  async function endAgent(name: string, signal: NodeJS.Signals): Promise<void> {
    const agent = agents.get(name);
    assert.ok(agent);
    const end = once(agent, "exit");
    agent.kill(signal);
    await end;
  }

  before(async () => {
    lab = await createLab(PLAN);
    await Promise.all(AGENTS.map(startAgent));
    const command = [...NODE, "test/discovery/controller-process.ts", "discover"];
    const controller = lab.host("laptop").spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
    assert.ok(controller.stdout && controller.stdin);
    const { stdin } = controller;
    const lines = createInterface({ input: controller.stdout })[Symbol.asyncIterator]();
    await lines.next();
    search = async (runs) => {
      stdin.write(`${runs} 1000\n`);
      const results: FoundAgent[][] = [];
      for (let run = 0; run < runs; run++) results.push(JSON.parse(String((await lines.next()).value)));
      return results;
    };
  });

  after(() => lab.dispose());

  async function assertAllFound(runs: number, what: string): Promise<void> {
    for (const found of await search(runs)) {
      assert.deepEqual(
        found.map((agent) => agent.name),
        AGENTS,
        what,
      );
    }
  }

  /** Loses ARP and neighbour discovery too, and lets every host forget its neighbours. */
  async function assertAllFoundAmidLoss(what: string): Promise<void> {
    await lab.loss(20, "frames");
    for (let run = 0; run < 2; run++) {
      await onEveryHost("ip neigh flush all");
      await assertAllFound(1, `20 % of frames lost, ${what}`);
    }
  }

  async function onEveryHost(...commands: string[]): Promise<void> {
    for (const name of Object.keys(PLAN)) {
      await lab.host(name).exec(["sh", "-c", commands.join(" && ")]);
    }
  }

  /** Searches until everybody is found at an address of this family: the interfaces have just changed. */
  async function settle(isOfFamily: (address: string) => boolean): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const [found = []] = await search(1);
      if (found.length === AGENTS.length && found.every((agent) => isOfFamily(agent.address))) return;
    }
    assert.fail("the agents did not settle");
  }

  test("every agent is found within a second, on both interfaces, at an address of its own", async () => {
    const [found = []] = await search(1);
    assert.deepEqual(
      found.map((agent) => [agent.name, agent.address]),
      AGENTS.map((name) => [name, lab.host(name).addresses[0]]),
    );
  });

  test("… with 20 % of datagrams lost", async () => {
    await lab.loss(20);
    await assertAllFound(3, "20 % of datagrams");
  });

  test("… with 20 % of all frames lost and no neighbour known", async () => {
    await assertAllFoundAmidLoss("both");
  });

  test("… over IPv4 alone", async () => {
    await lab.loss(0);
    await onEveryHost("for i in /proc/sys/net/ipv6/conf/eth*/disable_ipv6; do echo 1 > $i; done");
    await settle((address) => address.startsWith("10.77."));
    await assertAllFoundAmidLoss("IPv4");
  });

  test("… over IPv6 alone", async () => {
    await lab.loss(0);
    await onEveryHost(
      "ip -4 addr flush scope global",
      "for i in /proc/sys/net/ipv6/conf/eth*/disable_ipv6; do echo 0 > $i; done",
    );
    await settle((address) => /^fe80::.*%eth[01]$/.test(address));
    await assertAllFoundAmidLoss("IPv6");
  });

  test("a watch sees who is killed within ten seconds, who stops at once, and who restarts", async () => {
    await lab.loss(0);
    const events: (DiscoveryEvent & { at: number })[] = [];
    const command = [...NODE, "test/discovery/controller-process.ts", "watch"];
    const watcher = lab.host("laptop").spawn(command, { stdio: ["ignore", "pipe", "inherit"] });
    assert.ok(watcher.stdout);
    createInterface({ input: watcher.stdout }).on("line", (line) => {
      events.push({ ...(JSON.parse(line) as DiscoveryEvent), at: performance.now() });
    });
    const seen = (event: DiscoveryEvent["event"], name: string) =>
      events.find((one) => one.event === event && one.agent.name === name);
    await until(() => AGENTS.every((name) => seen("arrived", name)), "the arrivals");

    await endAgent("pi1", "SIGKILL");
    const killed = performance.now();
    await endAgent("pi2", "SIGTERM");
    const stopped = performance.now();
    await endAgent("pi3", "SIGKILL");
    await startAgent("pi3");
    const restarted = performance.now();
    await until(
      () => seen("departed", "pi2") !== undefined && seen("restarted", "pi3") !== undefined,
      "both",
    );
    await until(() => seen("departed", "pi1") !== undefined, "the killed one's departure");
    const delay = (since: number, event: DiscoveryEvent["event"], name: string) =>
      (seen(event, name)?.at ?? Number.POSITIVE_INFINITY) - since;
    assert.ok(delay(stopped, "departed", "pi2") < 1_000, "stopped: at once");
    assert.ok(delay(restarted, "restarted", "pi3") < 1_000, "restarted: on its announcement");
    assert.ok(delay(killed, "departed", "pi1") < 10_000, "killed: within ten seconds");
    assert.deepEqual(
      events
        .filter((one) => one.event !== "arrived")
        .map((one) => [one.event, one.agent.name])
        .sort(),
      [
        ["departed", "pi1"],
        ["departed", "pi2"],
        ["restarted", "pi3"],
      ],
      "and nothing else",
    );
  });
});
