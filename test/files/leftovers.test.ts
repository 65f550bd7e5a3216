import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setImmediate as breathe, setTimeout as wait } from "node:timers/promises";
import { getFiles, putFiles } from "../../controller/files/index.ts";
import { connect } from "../../controller/index.ts";
import { asTetherError } from "../../protocol/index.ts";
import { isPartial, Progress } from "../../transfer/index.ts";
import { type FilingAgent, SuiteOwner, startFilingAgent } from "./filing-agent.ts";

const MiB = 1024 * 1024;
const HOUR = 3_600;
const never = new AbortController().signal;

interface Space {
  readonly used: number;
  readonly free: number;
  readonly leftovers: { readonly files: number; readonly bytes: number };
}

describe("what broken transfers leave on an agent", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let place: FilingAgent;
  let big: string;

  before(async () => {
    place = await startFilingAgent(owner, { quota: "100MiB" });
    big = join(place.here, "big");
    writeFileSync(big, randomBytes(60 * MiB));
  });
  after(() => owner.undo());

  const space = () => place.client.call("files.space", []) as unknown as Promise<Space>;
  /** Asks until it is so: what was measured a moment ago is not measured again. */
  const spaceWhere = async (is: (now: Space) => boolean): Promise<Space> => {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const now = await space();
      if (is(now)) return now;
      assert.ok(performance.now() < deadline, JSON.stringify(now));
      await wait(20);
    }
  };
  const putBroken = async (target: string, bytes: number): Promise<void> => {
    const stop = new AbortController();
    const progress = new Progress();
    const work = putFiles(place.client, {
      sources: [big],
      target,
      recursive: false,
      progress,
      signal: stop.signal,
    });
    work.catch(() => undefined);
    while (progress.bytes < bytes) await breathe();
    stop.abort();
    await assert.rejects(work);
  };

  test("is counted, hidden, outside of what is used, and makes room for what needs it", async () => {
    const { client, root, here, agent, home } = place;
    await putBroken("first", 50 * MiB);
    const { used, free, leftovers } = await spaceWhere((now) => now.leftovers.files === 1);
    assert.equal(used, 0);
    assert.equal(free, 100 * MiB);
    assert.ok(leftovers.bytes > 30 * MiB, `${leftovers.bytes} bytes`);
    assert.deepEqual(await client.call("files.list", ["/"]), []);
    const listed = await agent.tether(["df"], { home });
    assert.match(listed.stdout, /1 broken .* MiB/);
    const other = join(here, "other");
    writeFileSync(other, randomBytes(80 * MiB));
    const options = { recursive: false, progress: new Progress(), signal: never };
    const outcome = await putFiles(client, { ...options, sources: [other], target: "other" });
    assert.deepEqual(outcome.failures, []);
    assert.deepEqual(readdirSync(root), ["other"]);
    assert.deepEqual((await space()).leftovers, { files: 0, bytes: 0 });
    await client.call("files.remove", ["other"]);
  });

  test("goes by age and by number, the oldest first, with all that means nothing", async () => {
    const { root, client } = place;
    const folder = join(root, "folder");
    mkdirSync(folder);
    const now = Date.now() / 1000;
    const leave = (number: number, age: number, ...endings: readonly string[]): string => {
      const stem = `.tether-${number.toString(16).padStart(16, "0")}`;
      for (const ending of endings) {
        const path = join(folder, `${stem}.${ending}`);
        writeFileSync(path, "0123456789");
        utimesSync(path, now - age, now - age);
      }
      return `${stem}.${endings[0]}`;
    };
    const old = leave(1, 25 * HOUR, "part", "journal");
    const oldHistory = leave(2, 25 * HOUR, "history");
    const alone = leave(3, 10, "part");
    const orphan = leave(4, 10, "journal");
    const kept = Array.from({ length: 70 }, (_, n) => leave(100 + n, 23 * HOUR - n, "part", "journal"));
    const { leftovers, used } = await spaceWhere((one) => one.leftovers.files === 64);
    assert.equal(leftovers.bytes, 640);
    assert.equal(used, 0);
    for (const gone of [old, oldHistory, alone, orphan, ...kept.slice(0, 6)]) {
      assert.ok(!existsSync(join(folder, gone)), gone);
    }
    for (const there of kept.slice(6)) assert.ok(existsSync(join(folder, there)), there);
    assert.equal(readdirSync(folder).length, 128);
    // Gone with their folder they are not taken from what is used.
    await client.call("files.remove", ["folder", true]);
    assert.equal((await space()).used, 0);
    assert.deepEqual((await space()).leftovers, { files: 0, bytes: 0 });
  });

  test("is gone on with although the agent takes the lost connection for alive", async (t) => {
    const { root, home, agent } = place;
    const stalled: Socket[] = [];
    const server = createServer((socket) => {
      const onward = connectTcp(agent.port, "127.0.0.1");
      stalled.push(socket, onward);
      for (const one of [socket, onward]) one.on("error", () => undefined);
      socket.pipe(onward);
      onward.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      for (const socket of stalled) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    const options = { sources: [big], target: "lost", recursive: false, transfer: "the same" };
    const lost = await connect(`127.0.0.1:${port}`, { folder: home });
    t.after(() => lost.close());
    const progress = new Progress();
    const stop = new AbortController();
    const first = putFiles(lost, { ...options, progress, signal: stop.signal }).catch(asTetherError);
    while (progress.bytes < 30 * MiB) await breathe();
    for (const socket of stalled) socket.pause().unpipe();
    const again = await putFiles(place.client, { ...options, progress: new Progress(), signal: never });
    assert.deepEqual(again.failures, []);
    assert.ok(again.resumed > 20 * MiB, `${again.resumed} bytes resumed`);
    assert.ok(readFileSync(join(root, "lost")).equals(readFileSync(big)));
    assert.ok(!readdirSync(root).some(isPartial));
    stop.abort();
    await first;
  });

  test("on this side goes when it is old and somebody gets a file there", async () => {
    const { here, root, client } = place;
    writeFileSync(join(root, "small"), "small");
    const names = [".tether-00000000000000aa.part", ".tether-00000000000000ab.part"] as const;
    for (const name of names) writeFileSync(join(here, name), "0");
    const old = statSync(join(here, names[0])).mtimeMs / 1000 - 25 * HOUR;
    utimesSync(join(here, names[0]), old, old);
    await getFiles(client, {
      sources: ["small"],
      target: here,
      recursive: false,
      progress: new Progress(),
      totals: false,
      signal: never,
    });
    const deadline = performance.now() + 10_000;
    while (existsSync(join(here, names[0]))) {
      assert.ok(performance.now() < deadline);
      await wait(5);
    }
    assert.ok(existsSync(join(here, names[1])));
  });
});
