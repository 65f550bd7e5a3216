/** Pastes the sessions of docs/gateways into a shell, beside an agent with the configuration that stands above them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { startAgent } from "../agent-process.ts";
import { freePort } from "../free-port.ts";
import { missing, type PeerName } from "../peers.ts";

const folder = new URL("../../docs/gateways/", import.meta.url);
const run = promisify(execFile);

/** The programs that a page's sessions use. */
const PROGRAMS: readonly (readonly [RegExp, PeerName])[] = [
  [/\bnc /, "netcat"],
  [/\bpython3 /, "python3"],
  [/\bcurl /, "curl"],
];

for (const name of readdirSync(folder)) {
  const page = readFileSync(new URL(name, folder), "utf8");
  const sessions = [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
  if (name === "README.md") continue;
  const peers = PROGRAMS.filter(([use]) => use.test(sessions.join())).map(([, peer]) => peer);

  test(`the sessions of ${name} give what the page says`, { skip: missing(...peers) }, async (t) => {
    assert.ok(sessions.length > 0, "a page has a session");
    const scratch = mkdtempSync(join(tmpdir(), "tether-page-"));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const yaml = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
    const places = new Map<string, string>([["/run/tether/", `${scratch}/`]]);
    for (const [, port = ""] of yaml.matchAll(/port: (\d+)/g)) places.set(port, String(await freePort()));
    const moved = (text: string) => {
      let result = text;
      for (const [from, to] of places) result = result.replaceAll(from, to);
      return result;
    };
    await startAgent(t, { configuration: parse(moved(yaml)) as { readonly [key: string]: unknown } });
    for (const { command, output } of sessions.flatMap(commandsOf)) {
      const env = { ...process.env, LC_ALL: "C.UTF-8" };
      const { stdout, stderr } = await run("bash", ["-c", moved(command)], { env, timeout: 30_000 });
      assert.equal(stdout + stderr, moved(output), command);
    }
  });
}

/** The commands of a session and what each prints; `> ` goes on with a command, as bash does. */
function commandsOf(session: string): { command: string; output: string }[] {
  return session
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const lines = part.split(/(?<=\n)/);
      const first = lines.findIndex((line, index) => index > 0 && !line.startsWith("> "));
      const end = first < 0 ? lines.length : first;
      return {
        command: lines
          .slice(0, end)
          .map((line) => line.replace(/^> /, ""))
          .join(""),
        output: lines.slice(end).join(""),
      };
    });
}
