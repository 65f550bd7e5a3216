import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import { needs } from "../peers.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";
import { until } from "./until.ts";

suite("a real port", () => {
  test("takes and gives much at once, though it is full again and again", async (t) => {
    if (!needs(t, "socat")) return;
    const terminal = await PseudoTerminal.create();
    t.after(() => terminal.remove());
    await terminal.plug();
    const ends = [terminal.path, terminal.boardPath].map((path) => {
      const hash = createHash("sha256");
      const end = { count: 0, hash, path };
      return end;
    });
    const links = await Promise.all(
      ends.map((end) =>
        openTty(
          { path: end.path },
          {
            received(bytes) {
              end.count += bytes.length;
              end.hash.update(bytes);
              // Whoever is slow to read lets the other side's port fill.
              const then = performance.now() + 0.2;
              while (performance.now() < then);
            },
            ended() {},
          },
        ),
      ),
    );
    t.after(() => Promise.all(links.map((link) => link.close())));
    const size = 2 * 1024 * 1024;
    const sent = createHash("sha256");
    const piece = Buffer.from(Array.from({ length: 32_768 }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
    for (let written = 0; written < size; written += piece.length) {
      sent.update(piece);
      await Promise.all(links.map((link) => link.write(piece)));
    }
    await until(() => ends.every(({ count }) => count === size), "all of it both ways");
    const digest = sent.digest("hex");
    for (const end of ends) assert.equal(end.hash.digest("hex"), digest);
  });

  test("a write for which there is no room ends when it is thrown away, and when the port goes", async (t) => {
    if (!needs(t, "socat")) return;
    const terminal = await PseudoTerminal.create();
    t.after(() => terminal.remove());
    await terminal.plug();
    let ended = 0;
    const link = await openTty(
      { path: terminal.path },
      {
        received() {},
        ended: () => {
          ended += 1;
        },
      },
    );
    t.after(() => link.close());
    // Nobody reads at the other end.
    const thrownAway = link.write(Buffer.alloc(200_000));
    await link.purge("output");
    await thrownAway;
    const cut = link.write(Buffer.alloc(200_000));
    const told = assert.rejects(cut, { code: "device-missing" });
    await terminal.pull();
    await told;
    assert.equal(ended, 1);
  });
});
