import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isPartial } from "../../transfer/index.ts";
import { type AgentProcess, programArguments, startAgent } from "../agent-process.ts";

const SIZE = 100 * 1024 * 1024;
const ROUNDS = 5;

test("a killed side never leaves a part under the final name, 20 times", async (t) => {
  const here = mkdtempSync(join(tmpdir(), "tether-killed-"));
  t.after(() => rmSync(here, { recursive: true, force: true }));
  const [older, newer] = [randomBytes(1_000), randomBytes(SIZE)];
  const source = join(here, "source");
  writeFileSync(source, newer);
  let agent = await startAgent(t);
  const home = await agent.pair();
  const root = join(agent.statePath, "files");
  writeFileSync(join(root, "served"), newer);

  let broken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const action of ["put", "get"] as const) {
      for (const victim of ["controller", "agent"] as const) {
        const folder = action === "put" ? root : here;
        const target = join(folder, "target");
        // Half of the times there is an old file, which has to stay.
        const old = round % 2 === 0 ? older : undefined;
        rmSync(target, { force: true });
        if (old !== undefined) writeFileSync(target, old);
        const args = action === "put" ? ["put", source, ":target"] : ["get", ":served", target];
        const child = spawn(process.execPath, [...programArguments("tether"), ...args], {
          env: { ...process.env, TETHER_HOME: home },
          stdio: "ignore",
        });
        const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
        const wanted = (SIZE * (1 + 3 * round)) / 16;
        const met = await untilPartial(folder, wanted, child);
        if (victim === "controller") {
          child.kill("SIGKILL");
          await ended;
        } else {
          await agent.stop("SIGKILL");
        }
        if (met && contentOf(target)?.length !== SIZE) broken++;
        assertWhole(target, old, newer);
        if (victim === "agent") {
          // The controller connects again and goes on as if nothing had been.
          agent = await restart(agent, t);
          await ended;
          assert.equal(child.exitCode, 0);
          assertWhole(target, newer, newer);
        }
        await noPartials(root);
        const listed = JSON.parse((await agent.tether(["ls", ":", "--json"], { home })).stdout) as {
          name: string;
        }[];
        assert.ok(listed.every(({ name }) => !isPartial(name)));
        // Whatever was left here is told from a whole file by its name; the next start over there has removed it.
        for (const name of readdirSync(here).filter(isPartial)) rmSync(join(here, name));
      }
    }
  }
  assert.ok(broken >= 12, `only ${broken} of 20 transfers were cut in the middle`);
  const { code } = await agent.tether(["put", source, ":target"], { home });
  assert.equal(code, 0);
  assert.ok(readFileSync(join(root, "target")).equals(newer));
});

/** Starts a killed agent again, on the same port. */
function restart(
  { port, folder }: AgentProcess,
  owner: Parameters<typeof startAgent>[0],
): Promise<AgentProcess> {
  return startAgent(owner, { folder, configuration: { listen: { host: "127.0.0.1", port } } });
}

/** Waits until a partial file has so many bytes; false when the program was faster. */
async function untilPartial(
  folder: string,
  bytes: number,
  child: ReturnType<typeof spawn>,
): Promise<boolean> {
  while (child.exitCode === null) {
    const partial = readdirSync(folder).find(isPartial);
    const size = partial && statSync(join(folder, partial), { throwIfNoEntry: false })?.size;
    if (size !== undefined && size !== "" && size >= bytes) return true;
    await wait(1);
  }
  return false;
}

async function noPartials(folder: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (readdirSync(folder).some(isPartial)) {
    assert.ok(performance.now() < deadline, `left over: ${readdirSync(folder)}`);
    await wait(10);
  }
}

function contentOf(path: string): Buffer | undefined {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path);
}

/** The name stands for what was there, or for all of what comes; never for a part. */
function assertWhole(path: string, old: Buffer | undefined, whole: Buffer): void {
  const content = contentOf(path);
  const isOld = old === undefined ? content === undefined : content?.equals(old) === true;
  assert.ok(isOld || content?.equals(whole) === true, `${path} has ${content?.length} bytes`);
}
