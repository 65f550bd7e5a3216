import { spawnSync } from "node:child_process";
import { setImmediate as breathe } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { otherNode } from "../test/other-node.ts";
import { missing } from "../test/peers.ts";
import {
  type Bar,
  type Comparison,
  type Contest,
  type Findings,
  inTurn,
  type Row,
  type Turn,
} from "./contest.ts";
import { keyFile } from "./scratch.ts";
import { startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const ROUNDS = 21;

/** The Nodes measured, and what `tether call` has to reach beside `node -e 0` there. */
const NODES: readonly { readonly major: number; readonly bar?: Bar }[] = [
  { major: 20, bar: { limit: 2.6 } },
  { major: 22 },
  { major: 24, bar: { limit: 1.7, aim: 1.35 } },
  { major: 26 },
];

const SSH = "ssh host true";
const MASTERED = "ssh host true, through a control master";

/** Whole commands, from spawn to exit. */
export function benchStartup(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const leftOut: string[] = [];
    const versions: string[] = [];
    const contestants: Record<string, Turn<"time">> = {};
    const agent = await startAgent(cleanup, { env: PLAIN_ENVIRONMENT });
    const home = await agent.pair();
    const bare = await bareServer(cleanup);
    for (const { major } of NODES) {
      const node = await otherNode(major).catch((error: Error) => {
        leftOut.push(`Node ${major}: ${error.message}`);
      });
      if (node === undefined) continue;
      versions.push(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim());
      const { nothing, smallest, call } = names(major);
      contestants[nothing] = command([node, "-e", "0"], "");
      contestants[smallest] = command([node, ...bare], "42");
      contestants[call] = command(
        [node, ...programArguments("tether"), "call", "math.multiply", "6", "7"],
        "42",
        {
          TETHER_HOME: home,
        },
      );
    }
    const noSsh = missing("sshd");
    if (noSsh === false) {
      const { arguments: plain, mastered } = await startSshServer(cleanup);
      contestants[SSH] = command(["ssh", ...plain, "true"], "");
      contestants[MASTERED] = command(["ssh", ...mastered, "true"], "");
    } else {
      leftOut.push(`ssh: ${noSsh}`);
    }
    const contest = await inTurn(ROUNDS, contestants);
    const meaning = `Wall time from spawn to exit, ${ROUNDS} rounds. The smallest TLS call is a script of ten lines that connects with a key, sends one call to the bare TLS server and reads the answer: what the handshake alone costs a program of Node. \`tether call\` besides reads its files, checks the agent's pinned key and prints the result. The agent and the server run on Node ${process.versions.node}; the commands on ${versions.join(", ")}.`;
    return {
      tables: [
        { what: "a whole command", unit: "ms", meaning, rows: rows(contest, Object.keys(contestants)) },
      ],
      leftOut,
    };
  });
}

function names(major: number) {
  return {
    nothing: `Node ${major}: node -e 0`,
    smallest: `Node ${major}: smallest TLS call`,
    call: `Node ${major}: tether call math.multiply 6 7`,
  };
}

function rows(contest: Contest<string, "time">, all: readonly string[]): Row[] {
  const row = (who: string, comparisons: Comparison[] = []): Row => ({
    who,
    value: contest.spread(who, "time"),
    comparisons,
  });
  const ofNodes = NODES.filter(({ major }) => all.includes(names(major).call)).flatMap(({ major, bar }) => {
    const { nothing, smallest, call } = names(major);
    const times = (who: string): Comparison => ({
      of: "times node -e 0",
      value: contest.ratio(who, nothing, "time"),
    });
    return [
      row(nothing),
      row(smallest, [times(smallest)]),
      row(call, [
        { ...times(call), ...(bar && { bar }) },
        { of: "times the smallest TLS call", value: contest.ratio(call, smallest, "time") },
        ...(all.includes(SSH)
          ? [{ of: "times ssh host true", value: contest.ratio(call, SSH, "time") }]
          : []),
      ]),
    ];
  });
  return [...ofNodes, ...[SSH, MASTERED].filter((who) => all.includes(who)).map((who) => row(who))];
}

/** What stands behind `node` for the smallest TLS call. */
async function bareServer(cleanup: Cleanup): Promise<string[]> {
  const key = await keyFile(cleanup);
  const server = new Worker(cleanup, [process.execPath, await peerProgram("tls-server.ts"), key]);
  const { port } = await server.answer<{ port: number }>();
  return [fileURLToPath(new URL("peers/smallest-tls-call.cjs", import.meta.url)), String(port), key];
}

function command(
  [program = "", ...args]: readonly string[],
  output: string,
  env: NodeJS.ProcessEnv = {},
): Turn<"time"> {
  const options = { env: { ...process.env, ...PLAIN_ENVIRONMENT, ...env }, encoding: "utf8" } as const;
  return async () => {
    // The agents' log is read between the commands.
    await breathe();
    const start = performance.now();
    const { status, stdout, stderr } = spawnSync(program, args, options);
    const time = performance.now() - start;
    if (status !== 0 || stdout.trim() !== output) throw new Error(`${program} ${args}: ${stderr || stdout}`);
    return { time };
  };
}
