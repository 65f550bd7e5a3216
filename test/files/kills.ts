import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { isPartial } from "../../transfer/index.ts";
import { type AgentProcess, type Owner, programArguments, startAgent } from "../agent-process.ts";
import { seeded } from "../wire/random.ts";

export interface KillOptions {
  /** How many transfers. */
  readonly count: number;
  /** Bytes of the file. */
  readonly size: number;
  /** The beginning of what is random. */
  readonly seed: number;
  /** Where all of it lies. */
  readonly folder: string;
}

/** What killing one side of many transfers showed. */
export interface KillFindings {
  readonly transfers: number;
  /** Those that were cut while content was on its way. */
  readonly cut: number;
  /** Bytes of all files, and of what was sent of them more than once, everything that is no content counted too. */
  readonly bytes: number;
  readonly resent: number;
  /** The same for each transfer; what it was. */
  readonly each: readonly { readonly what: string; readonly resent: number }[];
  /** Looks at the target's name while all of this went on; each found nothing, the old file, or the whole new one. */
  readonly looks: number;
  readonly seconds: number;
}

/**
 * Puts and gets a file in turn, each time killing one side, in turn too, when a random part of it is there, and
 * going on until it is done: the command again where it was killed, by itself where the agent was.
 *
 * @throws AssertionError when a file is not right, a name stood for a part, or something is left over
 */
export async function killTransfers(owner: Owner, options: KillOptions): Promise<KillFindings> {
  const { count, size, seed } = options;
  const start = performance.now();
  const random = seeded(seed);
  const folder = mkdtempSync(join(options.folder, "tether-kills-"));
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  const [here, root] = [join(folder, "here"), join(folder, "root")] as const;
  for (const one of [here, root]) mkdirSync(one);
  const content = randomFillSync(Buffer.allocUnsafe(size));
  const older = randomFillSync(Buffer.allocUnsafe(1_000));
  writeFileSync(join(here, "source"), content);
  writeFileSync(join(root, "served"), content);
  const configuration = { files: { root, quota: "16GiB" } };
  let agent = await startAgent(owner, { configuration });
  const home = await agent.pair();
  const again = { folder: agent.folder, configuration: { ...configuration, listen: listenOn(agent) } };
  const watcher = new NameWatcher(owner, [here, root], "target", [older.length, size]);
  const each: { readonly what: string; readonly resent: number }[] = [];
  let cut = 0;
  for (let n = 0; n < count; n++) {
    const action = n % 2 === 0 ? "put" : "get";
    const victim = n % 4 < 2 ? "controller" : "agent";
    const place = action === "put" ? root : here;
    const target = join(place, "target");
    rmSync(target, { force: true });
    if (random() < 0.5) writeFileSync(target, older);
    const args = action === "put" ? ["put", join(here, "source"), ":target"] : ["get", ":served", target];
    const wanted = Math.floor(random() * size);
    const what = `transfer ${n} (${action}, ${victim} killed at ${wanted})`;
    const run = () => new Command([...args, "--json"], home);
    let command = run();
    let sent = 0;
    if (await untilPart(place, wanted, command.child)) cut++;
    if (victim === "controller") {
      sent = command.kill(action);
      await command.ended;
      command = run();
    } else {
      await agent.stop("SIGKILL");
      agent = await startAgent(owner, again);
    }
    const { code, output } = await command.ended;
    assert.equal(code, 0, `${what}: ${output}`);
    assert.ok(readFileSync(target).equals(content), `${what}: the file is not right`);
    assert.deepEqual(readdirSync(place).filter(isPartial), [], `${what}: left over`);
    sent += (JSON.parse(output) as { sent: number }).sent;
    each.push({ what: `${action}, ${victim} killed`, resent: Math.max(0, sent - size) });
  }
  const looks = watcher.stop();
  return {
    transfers: count,
    cut,
    bytes: count * size,
    resent: each.reduce((sum, { resent }) => sum + resent, 0),
    each,
    looks,
    seconds: (performance.now() - start) / 1000,
  };
}

function listenOn({ port }: AgentProcess): { readonly host: string; readonly port: number } {
  return { host: "127.0.0.1", port };
}

/** `tether` under way. */
class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;

  constructor(args: readonly string[], home: string) {
    this.child = spawn(process.execPath, [...programArguments("tether"), ...args], {
      env: { ...process.env, TETHER_HOME: home },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.child;
    const output = Promise.all([
      text(stdout as NodeJS.ReadableStream),
      text(stderr as NodeJS.ReadableStream),
    ]);
    const code = new Promise<number | null>((resolve) => this.child.once("close", resolve));
    this.ended = Promise.all([code, output]).then(([ended, texts]) => ({
      code: ended,
      output: texts.join(""),
    }));
  }

  /** Kills it; gives the bytes that it had read or written by then (proc(5)), a few hundred KiB of its own too. */
  kill(action: "put" | "get"): number {
    this.child.kill("SIGSTOP");
    let bytes = 0;
    try {
      const counters = readFileSync(`/proc/${this.child.pid}/io`, "utf8");
      bytes = Number(new RegExp(`${action === "put" ? "wchar" : "rchar"}: (\\d+)`).exec(counters)?.[1]);
    } catch {
      // It has ended: nothing was cut.
    }
    this.child.kill("SIGKILL");
    return bytes;
  }
}

/** Waits until the part of a file has so many bytes; false when the program was faster. */
async function untilPart(folder: string, bytes: number, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null) {
    const partial = readdirSync(folder).find((name) => isPartial(name) && name.endsWith(".part"));
    const size = partial && statSync(join(folder, partial), { throwIfNoEntry: false })?.size;
    if (size !== undefined && size !== "" && size >= bytes) return true;
    await wait(1);
  }
  return false;
}

/** Looks at a name whenever its folder changes: it may stand for nothing, or for a file of one of the sizes. */
class NameWatcher {
  readonly #watchers: { close(): void }[];
  #looks = 0;
  #wrong: string | undefined;

  constructor(owner: Owner, folders: readonly string[], name: string, sizes: readonly number[]) {
    this.#watchers = folders.map((folder) =>
      watch(folder, () => {
        this.#looks++;
        const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size;
        if (size !== undefined && !sizes.includes(size)) this.#wrong ??= `${size} bytes in ${folder}`;
      }),
    );
    owner.after(() => this.stop());
  }

  /** Gives how often it has looked. */
  stop(): number {
    for (const watcher of this.#watchers) watcher.close();
    assert.equal(this.#wrong, undefined, "a name stood for a part");
    return this.#looks;
  }
}
