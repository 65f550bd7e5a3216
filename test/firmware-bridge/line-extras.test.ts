import assert from "node:assert/strict";
import { test } from "node:test";
import type { CommandProfile, DeviceProfile, ParameterProfile } from "../../firmware-bridge/index.ts";
import { attach, profileOf } from "./line-peer.ts";

type Line = Partial<DeviceProfile["line"]>;

function board(line: Line, command: Partial<CommandProfile>, answers: (line: string) => string) {
  const settings = { terminator: "\n", timeout: 200, separators: "", ...line };
  const temperature = {
    send: "T?",
    expect: "^T (?<t>[0-9]+)$",
    result: "t",
    type: "integer",
    parameters: {},
  } as const;
  const commands = { x: { send: "X", parameters: {}, ...command }, temperature };
  return attach(profileOf({}, { line: settings, commands }), answers);
}

test("line: with a prompt an answer is over when the prompt has come", async () => {
  const { run, say, written } = board({ prompt: "> " }, { expect: "^OK$" }, () => "");
  say("> ");
  const answer = run("x");
  const next = run("temperature");
  await Promise.resolve();
  say("OK\n");
  await new Promise(setImmediate);
  assert.deepEqual(written, ["X\n"]);
  say("> ");
  assert.equal(await answer, "OK");
  await new Promise(setImmediate);
  assert.deepEqual(written, ["X\n", "T?\n"]);
  say("> T 21\n> ");
  assert.equal(await next, 21);
});

test("line: a prompt ends an answer of as many lines as come, and is the answer of a command without one", async () => {
  const list = board({ prompt: "$ " }, { until: "^\\$ $" }, () => "one\ntwo\n$ ");
  assert.deepEqual(await list.run("x"), ["one", "two"]);
  const silent = board({ prompt: "$ " }, {}, () => "$ ");
  assert.equal(await silent.run("x"), null);
});

test("line: a prompt that does not come is told, and an error is told after it", async () => {
  const without = board({ prompt: "> " }, { expect: "^OK$" }, () => "OK\n");
  await assert.rejects(without.run("x"), {
    code: "timeout",
    message: 'bench.x: no prompt "> " after the answer within 200 ms',
  });
  const refused = board({ prompt: "> " }, { expect: "^OK$", error: "^ERR" }, () => "ERR 5\n> ");
  await assert.rejects(refused.run("x"), { code: "device-failed", message: /answered "ERR 5"/ });
});

test("line: what the board repeats is neither an answer nor a reading", async () => {
  const echoing = board({ echo: true }, { lines: 1 }, (line) => `${line.trim()}\r\r\n21\r\n`);
  assert.deepEqual(await echoing.run("x"), ["21"]);
  const prompted = board({ echo: true, prompt: "> " }, { lines: 1 }, (line) => `${line}7\n> `);
  assert.deepEqual(await prompted.run("x"), ["7"]);
  // Once: what comes again is what the board says.
  const twice = board({ echo: true }, { lines: 1 }, (line) => line + line);
  assert.deepEqual(await twice.run("x"), ["X"]);
  const said = board({ echo: true }, {}, (line) => `${line}OK\n`);
  assert.equal(await said.driver.say("AT", new AbortController().signal), "OK");
  // A command that looks like a reading is none when it is repeated.
  const button = board({ echo: true }, { send: "BTN 9", expect: "^OK$" }, (line) => `${line}BTN 4\nOK\n`);
  await button.run("x");
  assert.deepEqual(button.values, [["button", 4]]);
});

test("line: checksums are added, verified and taken off", async () => {
  const nmea = board(
    { checksum: "nmea" },
    { send: "$PX,1", expect: "^\\$PX,(?<n>.*)$", result: "n" },
    () => "$PX,5*11\n",
  );
  const sent = nmea.run("x");
  assert.equal(await sent, "5");
  assert.deepEqual(nmea.written, ["$PX,1*15\n"]);
  const sum = board({ checksum: "sum8", terminator: "\r" }, { send: "#01", expect: "^>" }, () => ">+12383\r");
  await assert.rejects(sum.run("x"), {
    code: "timeout",
    message: /a line without the right checksum \(3e2b/,
  });
  assert.deepEqual(sum.written, ["#0184\r"]);
});

/** What an SCPI board takes a line for: commands between `;`, texts in quotes with the quote doubled. */
function scpi(line: string): string[][] {
  const commands: string[][] = [[]];
  for (const [token] of line.matchAll(/"(?:[^"]|"")*"|;|[^";]+/g)) {
    if (token === ";") commands.push([]);
    else commands.at(-1)?.push(token.startsWith('"') ? token.slice(1, -1).replaceAll('""', '"') : token);
  }
  return commands;
}

test("line: whatever a text holds, an SCPI board hears one command with that text, or nothing is sent", async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed >>> 8) % below;
  };
  const alphabet = [
    ..."ab;\"'\\ :*?{}",
    "\n",
    "\r",
    "\0",
    "\u0085",
    "\u2028",
    "é",
    "{text}",
    ";*RST",
    '";*RST;"',
  ];
  let sentCount = 0;
  for (const quote of ['"', undefined]) {
    const text: ParameterProfile =
      quote === undefined ? { type: "string" } : { type: "string", quote, escape: "double" };
    const { run, written } = board(
      { separators: ";" },
      { send: "DISP {text}", parameters: { text } },
      () => "",
    );
    for (let round = 0; round < 500; round++) {
      const value = Array.from({ length: random(6) }, () => alphabet[random(alphabet.length)]).join("");
      const before = written.length;
      const failure = await run("x", { text: value }).then(
        () => undefined,
        (thrown) => thrown,
      );
      if (failure !== undefined) {
        assert.equal(failure.code, "invalid", JSON.stringify(value));
        assert.equal(written.length, before);
        continue;
      }
      sentCount++;
      const line = written.at(-1) ?? "";
      assert.match(line, /^[^\r\n\0\u0085\u2028]*\n$/u, JSON.stringify(value));
      const commands = quote === undefined ? line.slice(0, -1).split(";") : scpi(line.slice(0, -1));
      assert.equal(commands.length, 1, JSON.stringify(value));
      if (quote !== undefined) assert.equal((commands[0] as string[])[1] ?? "", value);
    }
  }
  assert.ok(sentCount > 100);
});
