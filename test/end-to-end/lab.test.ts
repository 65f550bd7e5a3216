import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, suite, test } from "node:test";
import { programArguments } from "../agent-process.ts";
import { type SimulatedAvr, startSimulatedAvr } from "../firmware-bridge/simavr.ts";
import { createLab, type Lab } from "../network.ts";
import { missing } from "../peers.ts";
import { BENCH } from "./bench-device.ts";

const AGENTS = ["pi1", "pi2", "pi3", "pi4"];
const PLAN = { laptop: ["lan"], ...Object.fromEntries(AGENTS.map((name) => [name, ["lan"]])) };
const skip = missing("netns");

suite("a laptop and four Pis on one network, each a namespace", { skip }, () => {
  let lab: Lab;
  let board: SimulatedAvr | undefined;
  const folder = mkdtempSync(join(tmpdir(), "tether-lab-"));
  const home = join(folder, "home");
  /** Runs a program on one of the hosts; gives what it prints. */
  const on = (host: string, program: "tether" | "tetherd", ...args: string[]) =>
    lab
      .host(host)
      .exec(["env", `TETHER_HOME=${home}`, process.execPath, ...programArguments(program), ...args]);

  async function startAgent(name: string): Promise<void> {
    const device = { ...BENCH, serial: board === undefined ? BENCH.serial : { path: board.path } };
    const file = join(folder, `${name}.yaml`);
    // The configuration of a Pi as it comes, and the name that its host would give it.
    const configuration = { name, ...(name === "pi3" && { devices: [device] }) };
    writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
    const args = ["run", "--config", file, "--state", join(folder, name)];
    const command = [process.execPath, ...programArguments("tetherd"), ...args];
    await ready(lab.host(name).spawn(command, { stdio: ["ignore", "pipe", "inherit"] }), name);
  }

  before(async () => {
    mkdirSync(home, { mode: 0o700 });
    [lab, board] = await Promise.all([
      createLab(PLAN),
      missing("simavr") === false ? startSimulatedAvr() : undefined,
    ]);
    await Promise.all(AGENTS.map(startAgent));
  });
  after(async () => {
    await lab?.dispose();
    await board?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("all four are found within a second, at addresses of theirs that the laptop reaches", async () => {
    const found = JSON.parse(await on("laptop", "tether", "discover", "--json", "--timeout", "1s")) as {
      name: string;
      address: string;
      port: number;
      paired: boolean;
    }[];
    assert.deepEqual(
      found.map(({ name, address, port, paired }) => ({ name, address, port, paired })),
      AGENTS.map((name) => ({ name, address: lab.host(name).addresses[0], port: 7415, paired: false })),
    );
  });

  test("they are paired by the line that tetherd pair prints, and called all at once", async () => {
    await Promise.all(
      AGENTS.map(async (name) => {
        const args = ["pair", "--json", "--state", join(folder, name)];
        const { command } = JSON.parse(await on(name, "tetherd", ...args)) as { command: string };
        const address = lab.host(name).addresses[0];
        assert.ok(command.startsWith(`tether pair ${address}:7415 --code `), command);
        await on("laptop", "tether", ...command.split(" ").slice(1));
      }),
    );
    const everywhere = await on("laptop", "tether", "call", "math.multiply", "6", "7", "--all", "--json");
    assert.deepEqual(JSON.parse(everywhere), Object.fromEntries(AGENTS.map((name) => [name, 42])));
    const discovered = JSON.parse(await on("laptop", "tether", "discover", "--json")) as {
      paired: boolean;
    }[];
    assert.deepEqual(
      discovered.map(({ paired }) => paired),
      [true, true, true, true],
    );
  });

  test("the board behind one of them has its LED set and its temperature read", async () => {
    const call = (command: string, ...args: string[]) =>
      on("laptop", "tether", "call", "-a", "pi3", `devices.bench.${command}`, ...args);
    const [listed] = JSON.parse(await on("laptop", "tether", "device", "list", "-a", "pi3", "--json"));
    assert.equal(listed.state, "ready");
    assert.equal(listed.path, board?.path ?? "simulate:bench");
    assert.equal(await call("led", "1"), "OK\n");
    assert.equal(await call("led", "0"), "OK\n");
    assert.match(await call("temperature"), /^\d\d(\.\d)?\n$/);
    await assert.rejects(call("led", "2"), { code: 1 });
  });

  test("one that comes back at another address is found there", async () => {
    const { namespace } = lab.host("pi2");
    const move = ["ip", "-n", namespace, "addr"];
    await lab.host("pi2").exec([...move, "add", "10.77.1.200/24", "brd", "+", "dev", "eth0"]);
    await lab.host("pi2").exec([...move, "del", `${lab.host("pi2").addresses[0]}/24`, "dev", "eth0"]);
    assert.equal(await on("laptop", "tether", "call", "-a", "pi2", "math.add", "1", "2"), "3\n");
    const agents = JSON.parse(await on("laptop", "tether", "agents", "--json")) as {
      name: string;
      address: string;
    }[];
    const moved = agents.find(({ name }) => name === "pi2");
    assert.notEqual(moved?.address, lab.host("pi2").addresses[0]);
    const before = performance.now();
    assert.equal(await on("laptop", "tether", "call", "-a", "pi2", "math.add", "1", "2"), "3\n");
    assert.ok(performance.now() - before < 3_000, "the second time without a search");
  });
});

/** Waits for the agent's line; rejects when it ends instead. */
function ready(agent: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    agent.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    if (agent.stdout === null) return;
    createInterface({ input: agent.stdout }).on("line", (line) => {
      if (line.includes('"event":"ready"')) resolve();
    });
  });
}
