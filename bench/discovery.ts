import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { freePort } from "../test/free-port.ts";
import { createLab, type Lab, type LabHost } from "../test/network.ts";
import { missing } from "../test/peers.ts";
import { Contest, type Findings, type Row, spreadOf, type Table } from "./contest.ts";
import type { Found } from "./peers/finder.ts";
import { scratchFolder } from "./scratch.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const QUESTIONS = 60;
const NETWORK_AGENTS = ["pi1", "pi2", "pi3", "pi4"];
const LAPTOPS = ["laptop1", "laptop2", "laptop3", "laptop4", "laptop5"];
/** Percent of the datagrams lost, and searches of each laptop. */
const LOSSES = [
  { percent: 0, runs: 6, bar: { limit: 100, better: "larger" } },
  { percent: 20, runs: 20, bar: { limit: 100, better: "larger" } },
  { percent: 30, runs: 30, bar: { limit: 95, aim: 99, better: "larger" } },
] as const;
const CROWD = 50;
const CROWD_RUNS = 10;
/** Milliseconds within which every agent is to be found. */
const WITHIN = 1_000;
/** Milliseconds between two searches: each is to be a person's first, whom no agent has answered lately. */
const PAUSE = 1_100;

const AGENT = "agent: signed answer";
const ECHO = "bare UDP echo of 1,200 bytes";

/** How soon agents are found. */
export async function benchDiscovery(): Promise<Findings> {
  const tables = [await roundTrip()];
  const noLab = missing("netns");
  if (noLab !== false)
    return { tables, leftOut: [`agents on a network, and ${CROWD} on one machine: ${noLab}`] };
  return { tables: [...tables, ...(await searches())], leftOut: [] };
}

function roundTrip(): Promise<Table> {
  return withCleanup(async (cleanup) => {
    const port = await freePort();
    await startAgent(cleanup, { configuration: { discovery: { port } }, env: PLAIN_ENVIRONMENT });
    const echo = new Worker(cleanup, [process.execPath, await peerProgram("udp-echo.ts")]);
    const { port: echoPort } = await echo.answer<{ port: number }>();
    const program = await peerProgram("udp-asker.ts");
    const asker = new Worker(cleanup, [process.execPath, program, String(port), String(echoPort)]);
    await asker.answer();
    const times: { agent: number; echo: number }[] = [];
    for (let n = 0; n < QUESTIONS; n++) times.push(await asker.ask("both"));
    const figures = (who: "agent" | "echo") => times.map((time) => ({ time: time[who] }));
    const contest = new Contest(
      new Map([
        [AGENT, figures("agent")],
        [ECHO, figures("echo")],
      ]),
    );
    const ratio = { of: "times the bare echo", value: contest.ratio(AGENT, ECHO, "time") };
    return {
      what: "one question and its answer",
      unit: "µs",
      meaning: `From sending one UDP datagram on loopback to having checked the answer, ${QUESTIONS} times with pauses, so that both processes have gone to sleep between them. The agent signs (Ed25519) and the asker verifies.`,
      rows: [
        { who: AGENT, value: contest.spread(AGENT, "time"), comparisons: [ratio] },
        { who: ECHO, value: contest.spread(ECHO, "time"), comparisons: [] },
      ],
    };
  });
}

function searches(): Promise<Table[]> {
  return withCleanup(async (cleanup) => {
    const hosts = [...LAPTOPS, ...NETWORK_AGENTS];
    const lab = await createLab({
      ...Object.fromEntries(hosts.map((host) => [host, ["link"]])),
      crowd: ["own"],
    });
    cleanup.after(() => lab.dispose());
    const folder = await scratchFolder(cleanup);
    await Promise.all(NETWORK_AGENTS.map((name) => startAgentIn(lab.host(name), name, folder)));
    const finders = await Promise.all(LAPTOPS.map((name) => finderIn(lab.host(name), cleanup)));
    const complete: Row[] = [];
    const times: Row[] = [];
    for (const { percent, runs, bar } of LOSSES) {
      await lab.loss(percent);
      const found = await searchAll(finders, runs);
      const all = found.filter(({ agents }) => agents === NETWORK_AGENTS.length);
      const who = `4 agents on a network, ${percent} % of datagrams lost, ${found.length} searches`;
      const value = spreadOf([(100 * all.length) / found.length]);
      complete.push({ who, value, comparisons: [{ of: "", value, bar }] });
      times.push({ who, value: spreadOf(all.map(({ last }) => last)), comparisons: [] });
    }
    times.push(await crowdRow(lab, folder, cleanup));
    return [
      {
        what: `searches that find every agent within ${WITHIN / 1000} s`,
        unit: "%",
        meaning: `Agents and controllers in network namespaces of their own behind one bridge, IPv4 and IPv6; ${LAPTOPS.length} controllers search at the same time and wait ${PAUSE} ms between two searches. The bridge drops UDP datagrams at random, questions and answers alike.`,
        rows: complete,
      },
      {
        what: "time until the last agent is found",
        unit: "ms",
        meaning: `The same searches, those that found all. On one machine: ${CROWD} agents that share the discovery port, found by a controller on that machine, ${CROWD_RUNS} searches.`,
        rows: times,
      },
    ];
  });
}

async function searchAll(finders: readonly Worker[], runs: number): Promise<Found[]> {
  const found = await Promise.all(
    finders.map(async (finder) => {
      const own: Found[] = [];
      for (let run = 0; run < runs; run++) {
        await wait(PAUSE * (1 + 0.2 * Math.random()));
        own.push(await finder.ask<Found>({ agents: NETWORK_AGENTS.length, timeout: WITHIN }));
      }
      return own;
    }),
  );
  return found.flat();
}

async function crowdRow(lab: Lab, folder: string, cleanup: Cleanup): Promise<Row> {
  const host = lab.host("crowd");
  for (let n = 0; n < CROWD; n += 5) {
    await Promise.all([0, 1, 2, 3, 4].map((more) => startAgentIn(host, `crowd-${n + more}`, folder)));
  }
  const finder = await finderIn(host, cleanup);
  const times: number[] = [];
  for (let run = 0; run < CROWD_RUNS; run++) {
    await wait(PAUSE);
    const { agents, last } = await finder.ask<Found>({ agents: CROWD, timeout: 5 * WITHIN });
    times.push(agents === CROWD ? last : Number.POSITIVE_INFINITY);
  }
  const value = spreadOf(times);
  const bar = { limit: WITHIN };
  return { who: `${CROWD} agents on one machine`, value, comparisons: [{ of: "", value, bar }] };
}

async function finderIn(host: LabHost, cleanup: Cleanup): Promise<Worker> {
  const program = await peerProgram("finder.ts");
  const inside = ["ip", "netns", "exec", host.namespace];
  const finder = new Worker(cleanup, [...inside, process.execPath, program]);
  await finder.answer();
  return finder;
}

async function startAgentIn(host: LabHost, name: string, folder: string): Promise<void> {
  const configuration = join(folder, `${name}.yaml`);
  await writeFile(configuration, JSON.stringify({ name, listen: { port: 0 } }), { mode: 0o600 });
  const args = ["run", "--config", configuration, "--state", join(folder, name)];
  const agent = host.spawn([process.execPath, ...programArguments("tetherd"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...PLAIN_ENVIRONMENT },
  });
  for await (const line of createInterface({ input: agent.stdout as NodeJS.ReadableStream })) {
    if ((JSON.parse(line) as { event: string }).event === "ready") return;
  }
  throw new Error(`the agent ${name} did not start`);
}
