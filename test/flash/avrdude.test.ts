import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { type AgentProcess, type Ended, startAgent } from "../agent-process.ts";
import { CuttingLink } from "../controller/cutting-link.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { Stk500Board } from "../firmware-bridge/stk500-board.ts";
import { needs } from "../peers.ts";
import { RunningTether, until } from "../programs/program-agent.ts";
import { intelHex, programOf } from "./intel-hex.ts";

interface Bench {
  readonly agent: AgentProcess;
  readonly terminal: PseudoTerminal;
  readonly board: Stk500Board;
  readonly home: string;
  /** The program that is flashed, and the file that holds it. */
  readonly program: Buffer;
  readonly file: string;
}

/** An agent with a board that real avrdude programs, through the bootloader that {@link Stk500Board} plays. */
async function startBench(
  t: TestContext,
  options: {
    readonly flash?: object;
    readonly bytes?: number;
    readonly env?: NodeJS.ProcessEnv;
    readonly exec?: boolean;
  } = {},
): Promise<Bench> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  const board = await Stk500Board.open(t, terminal.boardPath);
  const agent = await startAgent(t, {
    configuration: {
      compute: { exec: options.exec ?? true },
      devices: [
        {
          name: "bench",
          serial: { path: terminal.path },
          commands: { ping: { send: "PING", expect: "^PONG" } },
          flash: { part: "m328p", ...options.flash },
        },
      ],
    },
    ...(options.env && { env: options.env }),
  });
  const program = programOf(options.bytes ?? 2_000);
  // A name that begins so must not become an option of the tool's.
  const file = join(agent.folder, "-e.hex");
  writeFileSync(file, intelHex(program));
  return { agent, terminal, board, home: await agent.pair(), program, file };
}

/** Flashes; tries again, as avrdude waits a quarter of a second for an answer, and the machine may have other work. */
async function flashes({ agent, file }: Bench, board: Stk500Board, ...options: string[]): Promise<Ended> {
  for (let tries = 1; ; tries++) {
    const ended = await agent.tether(["flash", "bench", file, ...options]);
    if (ended.code === 0) return ended;
    assert.ok(tries < 5, ended.stderr);
    board.reset();
  }
}

/** Begins to flash, as often as it takes for so many pages to be written. */
async function begin(
  t: TestContext,
  home: string,
  { board, file }: Bench,
  pages: number,
): Promise<RunningTether> {
  for (let tries = 1; ; tries++) {
    board.reset();
    const running = new RunningTether(t, home, ["flash", "bench", file, "--json"]);
    const isOver = () => running.child.exitCode !== null;
    await until(() => board.pages === pages || isOver(), "the first pages", 60_000);
    if (!isOver()) return running;
    assert.ok(tries < 5, running.stderr);
  }
}

/** Whose error it was, and what it says. */
function errorOf({ stderr }: { stderr: string }): { code: string; message: string; hint?: string } {
  return JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error;
}

async function pings({ agent }: Bench): Promise<void> {
  const { stdout, stderr } = await agent.tether(["call", "devices.bench.ping"]);
  assert.equal(stdout, "PONG\n", stderr);
}

/** Ids of the avrdudes that work on the bench's port. */
function avrdudes({ terminal }: Bench): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const command = commandOf(pid);
    return command.includes("avrdude") && command.includes(terminal.path);
  });
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // it has ended meanwhile
  }
}

function workFiles({ agent }: Bench): string[] {
  return readdirSync(join(agent.statePath, "work"));
}

suite("tether flash with avrdude", { concurrency: true }, () => {
  test("writes the program byte for byte, and gives the port back", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t, { exec: false });
    const { agent, board, program } = bench;
    await pings(bench);
    const flashed = await flashes(bench, board, "--json");
    const { seconds, ...outcome } = JSON.parse(flashed.stdout) as { seconds: number; bytes: number };
    assert.deepEqual(outcome, {
      device: "bench",
      tool: "avrdude",
      bytes: intelHex(program).length,
      state: "ready",
    });
    assert.ok(seconds > 0);
    assert.deepEqual(board.flash.subarray(0, program.length), program);
    assert.ok(
      board.flash.subarray(program.length).every((byte) => byte === 0xff),
      "nothing else was written",
    );
    assert.equal(flashed.stderr, "", "progress is for terminals");
    await pings(bench);
    assert.deepEqual(workFiles(bench), []);
    const said = (event: string) =>
      agent.log.filter((line) => line.event === event).map(({ kind, tool }) => kind ?? tool);
    assert.equal(said("port-held")[0], "flash");
    assert.deepEqual(said("port-released"), said("port-held"));
    assert.deepEqual(said("flash-ended"), ["avrdude"]);

    const again = await flashes(bench, board, "-v");
    assert.match(again.stdout, /^bench: flashed 5\.\d KiB with avrdude in \d+\.\d s\n$/);
    assert.match(again.stderr, /AVR device initialized[\s\S]*bytes of flash verified/);
  });

  test("while one flashes, others are told; a lost controller leaves no half board", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, home, program, file } = bench;
    const monitor = new RunningTether(t, home, ["serial", "monitor", "bench"]);
    while (monitor.stdout === "") await pings(bench);
    const before = monitor.stdout;
    let goOn = () => {};
    board.beforePage = (page) =>
      page !== 3 ||
      new Promise((resolve) => {
        goOn = () => resolve(true);
      });
    const first = await begin(t, home, bench, 3);
    await until(() => /busy/.test(monitor.stderr), "the watcher's being told");
    assert.match(monitor.stderr, /busy: held by \S+ \(flash\) since \d{4}-/);
    for (const args of [
      ["flash", "bench", file],
      ["call", "devices.bench.ping"],
    ]) {
      const refused = await agent.tether([...args, "--json"]);
      const { code, message } = errorOf(refused);
      assert.deepEqual([refused.code, code], [1, "busy"]);
      assert.match(message, /held by \S+ \(flash\) since \d{4}-\d\d-\d\dT/);
    }
    first.child.kill("SIGKILL");
    await first.ended();
    await agent.line("disconnected");
    goOn();
    await agent.line("flash-ended");
    assert.deepEqual(board.flash.subarray(0, program.length), program);
    await agent.line("port-released");
    await pings(bench);
    await until(() => monitor.stdout.length > before.length, "the watcher's going on");
  });

  test("a controller whose connection broke connects again, and hears how it went", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, program, file } = bench;
    const link = await CuttingLink.start(t, agent.port);
    const home = agent.makeHome();
    const { code } = JSON.parse((await agent.tetherd(["pair", "--json"])).stdout) as { code: string };
    await agent.tether(["pair", `127.0.0.1:${link.port}`, "--code", "-"], { home, input: code });
    board.beforePage = (page) => {
      if (page === 3 && link.cuts === 0) link.cut();
      return true;
    };
    const flashed = await agent.tether(["flash", "bench", file, "--json"], { home });
    assert.equal(link.cuts, 1);
    assert.equal(flashed.code, 0, flashed.stderr);
    assert.equal(JSON.parse(flashed.stdout).tool, "avrdude");
    assert.equal(agent.log.filter(({ event }) => event === "flash-started").length, 1);
    assert.deepEqual(board.flash.subarray(0, program.length), program);
  });

  test("a board that dies in the middle is told with avrdude's words, and the port comes back", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, file, program } = bench;
    board.beforePage = (page) => page !== 5;
    const failed = await agent.tether(["flash", "bench", file, "--json"]);
    const { code, message, hint } = errorOf(failed);
    assert.deepEqual([failed.code, code, hint], [1, "device-failed", "-v shows all that it says"]);
    assert.match(message, /^avrdude failed with exit code 1: .*unable to read/);
    assert.ok(!message.includes("\n") && message.length < 700, message);
    assert.equal(board.pages, 5);
    board.reset();
    await pings(bench);
    assert.deepEqual(workFiles(bench), []);
    board.beforePage = () => true;
    await flashes(bench, board);
    assert.deepEqual(board.flash.subarray(0, program.length), program);
  });

  test("a board that is pulled out in the middle is told, and is flashed when it is back", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, file, program, terminal } = bench;
    board.beforePage = async (page) => {
      if (page === 5) await terminal.pull();
      return true;
    };
    const failed = await agent.tether(["flash", "bench", file, "--json"]);
    const { code, message } = errorOf(failed);
    assert.deepEqual([failed.code, code], [1, "device-missing"]);
    assert.match(message, /has gone in the middle of it/);
    assert.deepEqual(avrdudes(bench), []);
    await terminal.plug();
    const back = await Stk500Board.open(t, terminal.boardPath);
    await agent.line("device-state", ({ state }) => state === "ready", agent.log.length - 1);
    await flashes(bench, back);
    assert.deepEqual(back.flash.subarray(0, program.length), program);
  });

  test("Ctrl-C, and an admin who takes the port, end avrdude", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, home, file } = bench;
    const operator = await agent.pair(undefined, { role: "operator" });
    board.beforePage = (page) => page !== 2 || new Promise(() => {});
    const left = await begin(t, operator, bench, 2);
    const failed = agent.log.length;
    left.child.kill("SIGINT");
    await left.ended();
    await agent.line("flash-failed", ({ code }) => code === "cancelled", failed);
    assert.deepEqual(avrdudes(bench), [], "the tool has ended before the port was given back");

    const robbed = await begin(t, operator, bench, 2);
    const forbidden = await agent.tether(["flash", "bench", file, "--take", "--json"], { home: operator });
    assert.deepEqual([forbidden.code, errorOf(forbidden).code], [4, "forbidden"]);
    const taken = agent.tether(["serial", "monitor", "bench", "--take"], { home, input: "PING\n" });
    assert.equal(await robbed.ended(), 1);
    const { code, message } = errorOf(robbed);
    assert.equal(code, "busy");
    assert.match(message, /^taken by \S+ \(monitor\) since/);
    assert.deepEqual(avrdudes(bench), []);
    board.reset();
    await taken;
    await pings(bench);
  });

  test("a tool that takes too long is ended", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t, { flash: { timeout: "1s" } });
    const { agent, board, file } = bench;
    board.beforePage = () => new Promise(() => {});
    const late = await agent.tether(["flash", "bench", file, "--json"]);
    assert.equal(late.code, 3);
    assert.deepEqual(errorOf(late), { code: "timeout", message: "not flashed within 1 s", hint: "" });
    assert.deepEqual(avrdudes(bench), []);
    board.reset();
    await pings(bench);
  });

  test("an agent that stops ends avrdude first", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const bench = await startBench(t);
    const { agent, board, home, file } = bench;
    let isHeld = false;
    board.beforePage = () => {
      isHeld = true;
      return new Promise(() => {});
    };
    const flashing = new RunningTether(t, home, ["flash", "bench", file]);
    await until(() => isHeld || flashing.child.exitCode !== null, "the first page");
    assert.equal(await agent.stop(), 0);
    assert.deepEqual(avrdudes(bench), []);
    assert.deepEqual(workFiles(bench), []);
    assert.notEqual(await flashing.ended(), 0);
  });

  test("what is wrong is told before anybody loses the port", async (t) => {
    if (!needs(t, "socat")) return;
    const bench = await startBench(t, { env: { PATH: "/nowhere" } });
    const { agent, file } = bench;
    const fails = async (...args: string[]) => {
      const ended = await agent.tether(["flash", "--json", ...args]);
      assert.equal(ended.code, 1, ended.stderr);
      return errorOf(ended);
    };
    assert.deepEqual(await fails("bench", file), {
      code: "not-found",
      message: "avrdude is not installed on the agent",
      hint: "on the Pi: sudo apt install avrdude",
    });
    const broken = join(agent.folder, "broken.hex");
    writeFileSync(broken, intelHex(programOf(64)).replace(/\n:1000/, "\n:1100"));
    assert.deepEqual(await fails("bench", broken), {
      code: "invalid",
      message: "broken.hex:2: the line is not as long as it says",
      hint: "",
    });
    const text = join(agent.folder, "notes.txt");
    writeFileSync(text, "hello");
    assert.match((await fails("bench", text)).message, /nothing says what this file is, allowed: \.hex/);
    assert.match((await fails("bank", file)).message, /there is no device "bank"/);
    assert.match((await fails("/dev/ttyS0", file)).message, /by the name of its device/);
    const viewer = await agent.pair(undefined, { role: "viewer" });
    const forbidden = await agent.tether(["flash", "bench", file], { home: viewer });
    assert.equal(forbidden.code, 4);
    assert.equal(agent.log.filter(({ event }) => event === "port-held").length, 0);
  });
});
