/** Pastes the sessions of docs/gateways into a shell, beside an agent with the configuration that stands above them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";
import { startAgent } from "../agent-process.ts";
import { HandBoard } from "../devices/hand-board.ts";
import { until } from "../firmware-bridge/until.ts";
import { freePort } from "../free-port.ts";
import { missing, type PeerName, PYTHON } from "../peers.ts";
import { RawClient } from "./raw-client.ts";

const folder = new URL("../../docs/gateways/", import.meta.url);
const run = promisify(execFile);

/** What a page's sessions and devices use. */
const PROGRAMS: readonly (readonly [RegExp, PeerName])[] = [
  [/\bnc /, "netcat"],
  [/\bpython3 /, "python3"],
  [/\bimport serial\b/, "pyserial"],
  [/\bcurl /, "curl"],
  [/\/dev\/ttyACM0\b/, "socat"],
];

/** The port of the pages' boards. */
const BOARD = "/dev/ttyACM0";
/** Who holds a port and since when, which differs every time. */
const HELD = /(?<=held by )127\.0\.0\.1:\d+ \((\w+)\) since \d{4}-\d\d-\d\dT[\d:.]+Z/;
const HOLDER = "somebody ($1)";

for (const name of readdirSync(folder)) {
  const page = readFileSync(new URL(name, folder), "utf8");
  const sessions = [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => text);
  if (name === "README.md") continue;
  const yaml = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  const peers = PROGRAMS.filter(([use]) => use.test(yaml + sessions.join())).map(([, peer]) => peer);

  test(`the sessions of ${name} give what the page says`, { skip: missing(...peers) }, async (t) => {
    assert.ok(sessions.length > 0, "a page has a session");
    const scratch = mkdtempSync(join(tmpdir(), "tether-page-"));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const places = new Map<string, string>([["/run/tether/", `${scratch}/`]]);
    const ports = [...yaml.matchAll(/port: (\d+)/g)].map(([, port = ""]) => port);
    for (const port of ports) places.set(port, String(await freePort()));
    const board = yaml.includes(BOARD)
      ? await HandBoard.create(t, (line) => (line === "TEMP?" ? "TEMP 21.5\n" : ""))
      : undefined;
    if (board !== undefined) places.set(BOARD, board.path);
    // A number is a port where it stands alone, and part of a kind's name in rfc2217.
    const moved = (text: string) =>
      [...places].reduce(
        (result, [from, to]) => result.replace(new RegExp(`(?<!\\w)${from}`, "g"), to),
        text,
      );
    await startAgent(t, { configuration: parse(moved(yaml)) as { readonly [key: string]: unknown } });
    for (const { command, output } of sessions.flatMap(commandsOf)) {
      let holder: RawClient | undefined;
      if (board !== undefined && HELD.test(output)) {
        holder = await RawClient.open(t, Number(moved(ports[0] ?? "")));
        holder.send("LED 0\n");
        await until(() => board.heard.includes("LED 0"), "the one who holds the port");
      }
      const env = { ...process.env, LC_ALL: "C.UTF-8", PATH: `${dirname(PYTHON)}:${process.env.PATH}` };
      const { stdout, stderr } = await run("bash", ["-c", moved(command)], { env, timeout: 30_000 });
      // Telnet's end of a line is two characters, which look like one.
      const said = (stdout + stderr).replaceAll("\r\n", "\n").replace(HELD, HOLDER);
      assert.equal(said, moved(output.replace(HELD, HOLDER)), command);
      holder?.socket.destroy();
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
