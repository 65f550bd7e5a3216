import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TetherError } from "../../protocol/index.ts";
import { procedureFile, startComputing } from "./procedures-folder.ts";
import { descendants } from "./processes.ts";

const BAD = {
  "bad.undefined": "() => { throw undefined; }",
  "bad.text": "() => { throw 'a text'; }",
  "bad.error": "() => { null.member; }",
  "bad.rejection": "async () => { throw new RangeError('too far'); }",
  "bad.code":
    "() => { throw Object.assign(new Error('no valve there'), { code: 'device-missing', hint: 'buy one' }); }",
  "bad.proxy": "() => { throw new Proxy(new Error(), { get() { throw 1; } }); }",
  "bad.function": "() => ({ list: [1, () => 1] })",
  "bad.nan": "() => Number.NaN",
  "bad.circle": "() => { const circle = {}; circle.self = circle; return circle; }",
  "bad.map": "() => new Map()",
  "bad.yield": "function* () { yield 1; yield Symbol('x'); }",
  "bad.exit": "() => process.exit(0)",
  "bad.abort": "() => process.abort()",
  "bad.timer": "() => new Promise(() => setTimeout(() => { throw new Error('nobody catches it'); }))",
  "bad.arrays": "() => { for (const all = []; ; ) all.push(new Array(100).fill(0)); }",
  "bad.maps": "() => { const map = new Map(); for (let key = 0; ; key++) map.set(key, { key }); }",
  "bad.buffers":
    "() => { const all = []; for (let n = 0; n < 2048; n++) all.push(Buffer.alloc(2 ** 20, 1)); }",
  "bad.strings": "() => 'x'.repeat(70e6)",
  "bad.deep": "() => { let deep = []; for (let n = 0; n < 100; n++) deep = [deep]; return deep; }",
};

const EXPECTED: { readonly [name in keyof typeof BAD]: readonly [string, RegExp] } = {
  "bad.undefined": ["internal", /^bad\.undefined threw undefined, which is no error$/],
  "bad.text": ["internal", /^bad\.text threw "a text", which is no error$/],
  "bad.error": ["internal", /^bad\.error failed: TypeError: Cannot read .* null .*\(bad\.mjs:4:\d+\)$/],
  "bad.rejection": ["internal", /^bad\.rejection failed: RangeError: too far \(bad\.mjs:5:\d+\)$/],
  "bad.code": ["device-missing", /^no valve there$/],
  "bad.proxy": ["internal", /^bad\.proxy threw something that cannot be read$/],
  "bad.function": ["internal", /^bad\.function: the result .* \$\.list\[1\]: a function/],
  "bad.nan": ["internal", /^bad\.nan: the result .* NaN/],
  "bad.circle": ["internal", /^bad\.circle: the result .* a value inside itself/],
  "bad.map": ["internal", /^bad\.map: the result .* an object of class Map/],
  "bad.yield": ["internal", /^bad\.yield: the yielded result .* a symbol/],
  "bad.exit": ["internal", /^the process of bad\.exit ended \(exit code 0\)$/],
  "bad.abort": ["internal", /^the process of bad\.abort ended \(SIGABRT\)$/],
  "bad.timer": ["internal", /^something left running failed: Error: nobody catches it \(bad\.mjs:15:\d+\)$/],
  "bad.arrays": ["limit", /^bad\.arrays used more than 64 MiB of memory$/],
  "bad.maps": ["limit", /^bad\.maps used more than 64 MiB of memory$/],
  "bad.buffers": ["limit", /^bad\.buffers used more than 64 MiB of memory$/],
  "bad.strings": ["limit", /^bad\.strings/],
  "bad.deep": ["internal", /^bad\.deep: the result .* deeper than 64/],
};

const files = {
  "bad.mjs": procedureFile(BAD),
  "good.mjs": procedureFile({ "good.pid": "() => process.pid" }),
};
const computing = await startComputing({ after }, files);
const { agent } = computing;
const client = await computing.connect();

for (const [name, [code, message]] of Object.entries(EXPECTED)) {
  test(`${name} fails alone, with one clear error`, async () => {
    const failed = client.call(name, []).then(
      (result) => assert.fail(`it gave ${result}`),
      (error: unknown) => error,
    );
    // The other worker, and the agent itself.
    const [error, pid, product] = await Promise.all([
      failed,
      client.call("good.pid", []),
      client.call("math.multiply", [6, 7]),
    ]);
    assert.ok(error instanceof TetherError);
    assert.match(error.message, message);
    assert.equal(error.code, code);
    assert.doesNotMatch(error.message, /\n/);
    assert.notEqual(pid, agent.pid);
    assert.equal(product, 42);
    assert.equal(typeof (await client.call("good.pid", [])), "number", "a process takes its place");
  });
}

test("the agent has not noticed, and leaves no process behind", async () => {
  assert.equal(agent.stderr, "");
  assert.ok(descendants(agent.pid).length <= 2);
  const started = descendants(agent.pid);
  assert.equal(await agent.stop(), 0);
  for (const pid of started) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});
