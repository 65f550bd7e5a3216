import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { suite, test } from "node:test";
import { readCommandLine } from "../../controller/command-line.ts";
import { programArguments, runProgram } from "../agent-process.ts";
import { temporaryFolder, tetherError } from "../identity/folder.ts";

/** A command line as read: verb, arguments and options. */
function read(...argv: string[]) {
  const { verbName, args, options } = readCommandLine(argv);
  return [verbName, args, Object.fromEntries(options.names().map((name) => [name, options.all(name)]))];
}

suite("a command line", () => {
  test("takes options before and after the arguments, long and short, with = and without", () => {
    const expected = ["call", ["math.add", "1", "2"], { agent: ["greenhouse"], json: [""], timeout: ["5s"] }];
    for (const line of [
      "-a greenhouse --json --timeout 5s call math.add 1 2",
      "call math.add 1 2 -a greenhouse --json --timeout 5s",
      "call --agent=greenhouse math.add --json 1 --timeout=5s 2",
      "--json call -agreenhouse math.add 1 --timeout 5s 2",
    ]) {
      assert.deepEqual(read(...line.split(" ")), expected, line);
    }
  });

  test("keeps every -a, in order, and the last of what counts once", () => {
    assert.deepEqual(read("info", "-a", "one", "-a", "two", "--timeout", "1s", "--timeout", "2s"), [
      "info",
      [],
      { agent: ["one", "two"], timeout: ["1s", "2s"] },
    ]);
    assert.equal(
      readCommandLine(["info", "--timeout", "1s", "--timeout", "2s"]).options.get("timeout"),
      "2s",
    );
  });

  test("takes negative numbers and what stands after -- as arguments", () => {
    assert.deepEqual(read("call", "math.add", "-1", "-.5", "-2e3", "--json"), [
      "call",
      ["math.add", "-1", "-.5", "-2e3"],
      { json: [""] },
    ]);
    assert.deepEqual(read("call", "text.upper", "--", "--json", "-a", "--"), [
      "call",
      ["text.upper", "--json", "-a", "--"],
      {},
    ]);
    assert.deepEqual(read("call", "text.upper", "-"), ["call", ["text.upper", "-"], {}]);
    assert.deepEqual(read("call", "text.upper", ""), ["call", ["text.upper", ""], {}]);
    assert.deepEqual(read("call", "x", "[-1]", '{"a":-1}'), ["call", ["x", "[-1]", '{"a":-1}'], {}]);
  });

  test("knows verbs of two words, and asks for the second", () => {
    assert.deepEqual(read("device", "list", "--json"), ["device list", [], { json: [""] }]);
    assert.deepEqual(read("--json", "device", "-a", "x", "list"), [
      "device list",
      [],
      { json: [""], agent: ["x"] },
    ]);
    assert.throws(() => read("device"), tetherError("usage", /`tether device` needs one of: list/));
    assert.throws(() => read("device", "lost"), tetherError("usage", /needs one of: list/));
  });

  test("names the nearest verb or option, and what an option needs", () => {
    const cases: readonly (readonly [string, RegExp, RegExp?])[] = [
      ["", /a verb is missing/, /tether help/],
      ["cal math.add", /no verb "cal"/, /did you mean `tether call`/],
      ["discovr", /no verb "discovr"/, /`tether discover`/],
      ["xyzzy", /no verb "xyzzy"/, /tether help/],
      ["info --jsn", /no option --jsn/, /did you mean --json/],
      ["info --agnet x", /no option --agnet/, /did you mean --agent/],
      ["info -x", /no option -x/, /tether help/],
      ["info --code x", /`tether info` has no option --code/, /usage: tether info/],
      ["info --timeout", /--timeout needs a value/],
      ["info -a", /-a needs a value/],
      ["info --json=yes", /--json takes no value/],
      ["__proto__", /no verb "__proto__"/],
      ["info --__proto__ x", /no option --__proto__/],
      ["info --constructor", /no option --constructor/],
    ];
    for (const [line, message, hint] of cases) {
      const argv = line === "" ? [] : line.split(" ");
      assert.throws(() => read(...argv), tetherError("usage", message, hint), line);
    }
  });
});

suite("wrong usage of tether", () => {
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /a verb is missing/],
    [["cal"], /did you mean `tether call`/],
    [["call"], /a procedure is missing \(usage: tether call PROCEDURE/],
    [["info", "now"], /an argument too many: now/],
    [["use"], /an argument is missing \(usage: tether use NAME\)/],
    [["forget", "a", "b"], /too many: b/],
    [["ping", "-c", "0"], /-c 0: not a whole number from 1/],
    [["ping", "-c", "-1"], /-c -1: not a whole number/],
    [["ping", "-c", "many"], /not a whole number/],
    [["info", "--timeout", "soon"], /--timeout: "soon" is no duration; allowed: .*250ms/],
    [["discover", "--port", "0"], /--port 0/],
    [["discover", "--port", "65536"], /--port 65536/],
    [["pair", "host:99999", "--code", "x"], /a port is a number from 1 to 65535/],
    [["pair", "[::1", "--code", "x"], /not HOST or HOST:PORT/],
    [["completion", "tcsh"], /no completion for tcsh; allowed: bash, zsh, fish/],
    [["call", "--batch", "-", "math.add"], /--batch reads the calls/],
    [["help", "nothing"], /no verb "nothing"/],
  ];

  test("is exit 2 and one line on stderr, and makes no files", async (t) => {
    const home = join(temporaryFolder(t), "home");
    await Promise.all(
      wrong.map(async ([args, message]) => {
        const ended = await runProgram("tether", args, { home });
        const what = args.join(" ");
        assert.equal(ended.code, 2, what);
        assert.equal(ended.stdout, "", what);
        assert.match(ended.stderr, /^tether: [^\n]+\n$/, what);
        assert.match(ended.stderr, message, what);
      }),
    );
    assert.ok(!existsSync(home));
  });

  test("is an object there with --json, wherever that stands", async (t) => {
    const home = temporaryFolder(t);
    for (const args of [
      ["--json", "cal"],
      ["cal", "--json"],
    ]) {
      const ended = await runProgram("tether", args, { home });
      assert.equal(ended.code, 2);
      assert.equal(ended.stdout, "");
      assert.deepEqual(JSON.parse(ended.stderr), {
        error: {
          code: "usage",
          message: 'there is no verb "cal"',
          hint: "did you mean `tether call`?",
        },
      });
      assert.equal(ended.stderr.split("\n").length, 2, "one line");
    }
  });
});

test("a verb that waits for what nobody types ends when its time is up", async (t) => {
  const args = ["pair", "127.0.0.1:1", "--code", "-", "--timeout", "100ms", "--json"];
  const child = spawn(process.execPath, [...programArguments("tether"), ...args], {
    env: { ...process.env, TETHER_HOME: temporaryFolder(t) },
  });
  t.after(() => child.kill("SIGKILL"));
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.equal(code, 3);
  assert.equal(JSON.parse(said).error.code, "timeout");
});

test("help lists every verb of the table, and help of one verb its own options", async () => {
  const all = await runProgram("tether", ["help"]);
  assert.equal(all.code, 0);
  assert.equal(all.stderr, "");
  for (const verb of ["discover", "pair", "agents", "use", "forget", "info", "ping", "procedures", "call"]) {
    assert.match(all.stdout, new RegExp(`^tether ${verb}( |$)`, "m"), verb);
  }
  assert.match(all.stdout, /^tether device list/m);
  const [flag, word, behind] = await Promise.all(
    [["--help"], ["pair", "--help"], ["help", "pair"]].map((args) => runProgram("tether", args)),
  );
  assert.equal(flag?.stdout, all.stdout);
  assert.equal(word?.stdout, behind?.stdout);
  assert.match(word?.stdout ?? "", /^tether pair HOST\[:PORT\] --code CODE/);
  assert.match(word?.stdout ?? "", /--code CODE {2,}/);
  assert.doesNotMatch(word?.stdout ?? "", /--batch/);
  const version = await runProgram("tether", ["--version"]);
  assert.match(version.stdout, /^tether \d+\.\d+\.\d+\n$/);
});
