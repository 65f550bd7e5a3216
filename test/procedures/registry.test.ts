import assert from "node:assert/strict";
import { test } from "node:test";
import { type Procedure, Registry } from "../../agent/procedures/index.ts";
import type { JsonValue } from "../../protocol/index.ts";
import { builtinRegistry, contextOf, failure } from "./calling.ts";

const viewer = contextOf();

/** A procedure that gives back the arguments it got. */
function mirror(facts: Partial<Procedure>): Procedure {
  return {
    name: "test.mirror",
    summary: "What came.",
    parameters: {},
    result: {},
    role: "viewer",
    retryable: true,
    run: (args) => ({ ...args }),
    ...facts,
  };
}

function registryOf(...procedures: Partial<Procedure>[]): Registry {
  const registry = new Registry();
  for (const facts of procedures) registry.add(mirror(facts));
  return registry;
}

test("arguments come by position or by name, and defaults are filled in", () => {
  const registry = registryOf({
    parameters: {
      a: { type: "integer" },
      b: { type: "string", default: "none" },
      c: { type: "array", default: [1] },
    },
  });
  const call = (params?: JsonValue) => registry.call("test.mirror", params, viewer);
  assert.deepEqual(call([1]), { a: 1, b: "none", c: [1] });
  assert.deepEqual(call([1, "x", []]), { a: 1, b: "x", c: [] });
  assert.deepEqual(call({ b: "x", a: 1 }), { a: 1, b: "x", c: [1] });
  const first = call([1]) as { c: number[] };
  first.c.push(2);
  assert.deepEqual(call([1]), { a: 1, b: "none", c: [1] }, "a default does not remember");
});

test("the last parameter of a variadic procedure takes the rest", () => {
  const registry = registryOf({
    parameters: {
      first: { type: "string" },
      rest: { type: "array", items: { type: "integer" }, maxItems: 3 },
    },
    variadic: true,
  });
  const call = (params: JsonValue) => registry.call("test.mirror", params, viewer);
  assert.deepEqual(call(["a"]), { first: "a", rest: [] });
  assert.deepEqual(call(["a", 1, 2]), { first: "a", rest: [1, 2] });
  assert.deepEqual(call({ first: "a" }), { first: "a", rest: [] });
  assert.deepEqual(call({ first: "a", rest: [3] }), { first: "a", rest: [3] });
});

test("a mistake in the arguments says which one, what came and what is allowed", async () => {
  const registry = builtinRegistry();
  registry.add(
    mirror({
      parameters: {
        state: { type: "integer", minimum: 0, maximum: 1 },
        colour: { enum: ["red", "green"], default: "red" },
        name: { type: "string", maxLength: 3, pattern: "^[a-z]+$", default: "a" },
        list: { type: "array", items: { type: ["integer", "null"], minimum: 2 }, default: [] },
      },
    }),
  );
  registry.add(mirror({ name: "test.none" }));
  const table: [string, JsonValue | undefined, string, string?][] = [
    ["math.multiply", [6, "x"], 'argument "b" (2nd): got "x", a string; allowed: a number'],
    ["math.multiply", [null, 1], 'argument "a" (1st): got null; allowed: a number'],
    ["math.multiply", { a: 6, b: [1, 2] }, 'argument "b" (2nd): got an array of 2; allowed: a number'],
    ["math.multiply", [6], 'argument "b" (2nd) is missing; allowed: a number'],
    ["math.multiply", undefined, 'argument "a" (1st) is missing; allowed: a number'],
    ["math.multiply", [6, 7, 8], "got 3 arguments; allowed: 2 (a, b)"],
    ["math.multiply", { a: 1, c: 2 }, 'there is no argument "c"; allowed: a, b'],
    ["text.upper", { txet: "a" }, 'there is no argument "txet"; allowed: text', "did you mean text?"],
    ["math.multiply", { a: 1, ["__proto__"]: 2 }, 'there is no argument "__proto__"; allowed: a, b'],
    ["math.multiply", "6", 'arguments came as "6", a string; allowed: an array or an object'],
    ["math.multiply", null, "arguments came as null; allowed: an array or an object"],
    ["math.sum", [1, 2, true], 'argument "values" (3rd): got true, a boolean; allowed: a number or a string'],
    [
      "math.sum",
      { values: [1, null] },
      'argument "values" (1st) at [1]: got null; allowed: a number or a string',
    ],
    ["test.none", [1], "got 1 argument; allowed: 0 (none)"],
    ["test.mirror", [2], 'argument "state" (1st): got 2, a number; allowed: an integer from 0 to 1'],
    ["test.mirror", [0.5], 'argument "state" (1st): got 0.5, a number; allowed: an integer from 0 to 1'],
    [
      "test.mirror",
      [10n ** 30n],
      'argument "state" (1st): got 1000000000000000000000000000000, an integer; allowed: an integer from 0 to 1',
    ],
    [
      "test.mirror",
      [0, "blue"],
      'argument "colour" (2nd): got "blue", a string; allowed: one of "red", "green"',
    ],
    [
      "test.mirror",
      [0, "red", "abcd"],
      'argument "name" (3rd): got "abcd", a string; allowed: a string of at most 3 characters matching ^[a-z]+$',
    ],
    [
      "test.mirror",
      [0, "red", "a\nb"],
      'argument "name" (3rd): got "a\\nb", a string; allowed: a string of at most 3 characters matching ^[a-z]+$',
    ],
    [
      "test.mirror",
      [0, "red", "a", [2, 1]],
      'argument "list" (4th) at [1]: got 1, a number; allowed: an integer or null of at least 2',
    ],
  ];
  for (const [name, params, message, hint] of table) {
    const error = await failure(() => registry.call(name, params, viewer), "invalid");
    assert.equal(error.message, `${name}: ${message}`);
    if (hint !== undefined) assert.equal(error.hint, hint);
  }
});

test("lengths count characters, not code units", async () => {
  const registry = registryOf({ parameters: { text: { type: "string", maxLength: 2, minLength: 2 } } });
  assert.deepEqual(registry.call("test.mirror", ["😀😀"], viewer), { text: "😀😀" });
  await failure(() => registry.call("test.mirror", ["😀"], viewer), "invalid");
  await failure(() => registry.call("test.mirror", ["😀😀😀"], viewer), "invalid");
});

test("any schema of draft 2020-12 is kept to, with long integers in it", async () => {
  const registry = registryOf({
    parameters: {
      point: {
        type: "object",
        properties: { x: { $ref: "#/$defs/coordinate" }, "y/y ~%#": { type: "number", exclusiveMaximum: 9 } },
        required: ["x"],
        additionalProperties: false,
        $defs: { coordinate: { type: "integer", multipleOf: 2 } },
      },
      choice: { anyOf: [{ type: "string" }, { type: "integer", minimum: 2 ** 60 }], default: "" },
    },
  });
  const call = (...params: JsonValue[]) => registry.call("test.mirror", params, viewer);
  const loading = call({ x: 2 });
  assert.ok(loading instanceof Promise, "the library is loaded for the first call");
  assert.deepEqual(await loading, { point: { x: 2 }, choice: "" });
  assert.deepEqual(
    call({ x: 4 }),
    { point: { x: 4 }, choice: "" },
    "and then calls are as quick as the procedure",
  );
  const long = 10n ** 4000n;
  assert.deepEqual(call({ x: long }, long), { point: { x: long }, choice: long });
  const table: [JsonValue[], RegExp][] = [
    [[{ x: 3 }], /^test.mirror: argument "point" \(1st\) at \["x"\]: got 3, a number; allowed: /],
    [[{ x: 2, "y/y ~%#": 9 }], /at \["y\/y ~%#"\]: got 9, a number; allowed: a number below 9$/],
    [[{}], /argument "point" \(1st\): got an object; allowed: an object$/],
    [[{ x: 2, z: 1 }], /argument "point" \(1st\)/],
    [[{ x: 2 }, 5], /argument "choice" \(2nd\): got 5, a number; allowed: \{"anyOf":\[\{"type":"string"\}/],
    [[{ x: 2 }, -long], /argument "choice" \(2nd\): got a long integer; allowed: \{"anyOf"/],
  ];
  for (const [params, message] of table) {
    assert.match((await failure(() => call(...params), "invalid")).message, message);
  }
  const listed = registry.list()[0]?.parameters.properties as { point: object };
  assert.deepEqual(Object.keys(listed.point), [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "$defs",
  ]);
});

test("a name that no well-formed text can be is a mistake, not a crash", async () => {
  const registry = registryOf({
    parameters: { map: { type: "object", additionalProperties: { type: "integer" } } },
  });
  await failure(() => registry.call("test.mirror", [{ "\ud800": "x" }], viewer), "invalid");
});

test("a schema that cannot be used is told as such", async () => {
  const registry = registryOf({ parameters: { text: { type: "string", pattern: "(" } } });
  const error = await failure(() => registry.call("test.mirror", ["a"], viewer), "internal");
  assert.match(error.message, /^test.mirror: the schema of "text" cannot be used: /);
});

test("an unknown name is answered with the nearest that the caller may see", async () => {
  const registry = builtinRegistry();
  const hint = async (name: string, context = viewer) =>
    (await failure(() => registry.call(name, [], context), "not-found")).hint;
  assert.equal(await hint("math.mutliply"), "did you mean math.multiply?");
  assert.equal(await hint("multiply"), "did you mean math.multiply?");
  assert.equal(await hint("qqqqqq"), undefined);
  const textOnly = contextOf({ allows: (name) => name.startsWith("text.") });
  assert.equal(await hint("math.mutliply", textOnly), undefined);
  const long = await failure(() => registry.call("x".repeat(1_000_000), [], viewer), "not-found");
  assert.ok(long.message.length < 300);
});

test("roles and a gateway's allow list are checked for every call", async () => {
  const registry = registryOf(
    { name: "test.all" },
    { name: "test.operate", role: "operator" },
    { name: "test.look", introspection: true },
  );
  const call = (name: string, context = viewer) => registry.call(name, [], context);
  assert.deepEqual(call("test.all"), {});
  const error = await failure(() => call("test.operate"), "forbidden");
  assert.equal(error.message, "test.operate needs the role operator; you have viewer");
  assert.deepEqual(call("test.operate", contextOf({ role: "operator" })), {});
  assert.deepEqual(call("test.operate", contextOf({ role: "admin" })), {});
  const narrow = contextOf({ role: "admin", allows: (name) => name === "test.all" });
  assert.deepEqual(call("test.all", narrow), {});
  assert.deepEqual(call("test.look", narrow), {});
  await failure(() => call("test.operate", narrow), "forbidden");
  assert.deepEqual(
    registry.list("", narrow.caller).map(({ name }) => name),
    ["test.all", "test.look"],
  );
});

test("names are unique and callable, and can be taken back", async () => {
  const registry = registryOf({});
  await failure(() => registry.add(mirror({})), "exists");
  for (const name of ["", "a b", "a\u0000", "x".repeat(201)])
    await failure(() => registry.add(mirror({ name })), "invalid");
  await failure(() => registry.add(mirror({ name: "b", parameters: { ["__proto__"]: {} } })), "invalid");
  await failure(
    () => registry.add(mirror({ name: "b", parameters: { a: { type: "string" } }, variadic: true })),
    "invalid",
  );
  assert.equal(registry.get("test.mirror")?.summary, "What came.");
  assert.equal(registry.remove("test.mirror"), true);
  assert.equal(registry.remove("test.mirror"), false);
  await failure(() => registry.call("test.mirror", [], viewer), "not-found");
});

test("a list shows parameters in their order as a JSON Schema", () => {
  const registry = builtinRegistry();
  assert.deepEqual(registry.list("bytes.pa"), [
    {
      name: "bytes.pack",
      summary: "Values as bytes, in a format as of Python's struct.",
      parameters: {
        type: "object",
        properties: {
          format: {
            type: "string",
            maxLength: 1_024,
            description: "byte order and letters as in Python's struct",
          },
          values: { type: "array", variadic: true },
        },
        required: ["format"],
        additionalProperties: false,
      },
      result: { type: "string", contentEncoding: "base64", description: "bytes in base64" },
      role: "viewer",
      retryable: true,
    },
  ]);
  const names = registry.list().map(({ name }) => name);
  assert.deepEqual(names, [...names].sort());
  assert.deepEqual(
    names,
    [
      "bytes.compress bytes.decompress bytes.pack bytes.unpack",
      "math.add math.evaluate math.multiply math.quadratic math.sum",
      "net.fqdn net.hostname net.resolve net.reverse rpc.discover",
      "system.info system.listMethods system.methodHelp system.methodSignature system.multicall",
      "text.echo text.lower text.upper",
    ].flatMap((line) => line.split(" ")),
  );
});

test("100,000 calls a second leave time for the wire", () => {
  const registry = builtinRegistry();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint();
    for (let n = 0; n < 20_000; n++) assert.ok(registry.call("math.multiply", [6, 7], viewer) === 42);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 20_000);
  }
  assert.ok(best < 5_000, `${best} ns a call`);
});
