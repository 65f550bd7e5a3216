import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { describe } from "node:test";
import { circles, forbiddenImports } from "./import-rules.ts";
import { type ImportingModule, readImports } from "./module-imports.ts";
import { ROOT, repositoryFiles } from "./repository.ts";

const SOURCE = /\.(ts|mts|cts|js|mjs|cjs)$/;

describe("this repository", () => {
  const modules = repositoryFiles()
    .filter((path) => SOURCE.test(path))
    .map((path) => readImports(path, readFileSync(join(ROOT, path), "utf8")));

  test("is read as a whole", () => {
    assert.ok(modules.some(({ path }) => path === "protocol/index.ts"));
    assert.ok(modules.flatMap(({ imports }) => imports).length > 100);
  });

  test("keeps the import rules", () => assert.deepEqual(forbiddenImports(modules), []));

  test("has no circle", () => assert.deepEqual(circles(modules), []));

  test("asks nobody for the time in the protocol", () => {
    const clock = /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.now|new Date\(\))/;
    const asking = modules
      .map(({ path }) => path)
      .filter((path) => path.startsWith("protocol/") && clock.test(readFileSync(join(ROOT, path), "utf8")));
    assert.deepEqual(asking, []);
  });
});

describe("reading imports", () => {
  const read = (text: string) =>
    readImports("a/b.ts", text).imports.map(
      ({ specifier, typeOnly }) => (typeOnly ? "type " : "") + specifier,
    );

  test("every way to import is seen", () => {
    assert.deepEqual(read('import a from "./a.ts";'), ["./a.ts"]);
    assert.deepEqual(read('import "./a.ts";'), ["./a.ts"]);
    assert.deepEqual(read('import {\n  a,\n  type B,\n} from "./a.ts";'), ["./a.ts"]);
    assert.deepEqual(read('export * from "./a.ts";'), ["./a.ts"]);
    assert.deepEqual(read('export { a } from "./a.ts";'), ["./a.ts"]);
    assert.deepEqual(read('const load = () => import("./a.ts");'), ["./a.ts"]);
    assert.deepEqual(read('const a = require("./a.ts");'), ["./a.ts"]);
    assert.deepEqual(read('import type { A } from "./a.ts";'), ["type ./a.ts"]);
    assert.deepEqual(read('export type { A } from "./a.ts";'), ["type ./a.ts"]);
    assert.deepEqual(read('let a: import("./a.ts").A;'), ["type ./a.ts"]);
  });

  test("what only looks like an import is not one", () => {
    assert.deepEqual(read('// import "./a.ts"\nconst text = `import "./b.ts"`; export const c = text;'), []);
  });

  test("what cannot be checked is an error", () => {
    assert.throws(() => read("import(name);"), /a\/b\.ts: what is imported is computed/);
    assert.throws(() => read("import {"), /a\/b\.ts: /);
  });
});

function modulesOf(sources: Record<string, string>): ImportingModule[] {
  return Object.entries(sources).map(([path, text]) => readImports(path, text));
}

describe("the import rules", () => {
  const breaches = (path: string, ...specifiers: string[]) =>
    forbiddenImports(modulesOf({ [path]: specifiers.map((one) => `import {} from "${one}";`).join("\n") }));

  for (const [path, specifier] of [
    ["protocol/frame.ts", "../agent/index.ts"],
    ["protocol/frame.ts", "../transfer/index.ts"],
    ["protocol/frame.ts", "../firmware-bridge/index.ts"],
    ["transfer/walk.ts", "../agent/index.ts"],
    ["transfer/walk.ts", "../firmware-bridge/index.ts"],
    ["transfer/walk.ts", "../protocol/frame.ts"],
    ["firmware-bridge/exchange.ts", "../protocol/index.ts"],
    ["firmware-bridge/exchange.ts", "../protocol/frame.ts"],
    ["firmware-bridge/link/tty.ts", "../../agent/index.ts"],
    ["agent/server/listener.ts", "../../controller/index.ts"],
    ["agent/server/listener.ts", "../../protocol/frame.ts"],
    ["agent/agent.ts", "../firmware-bridge/link/tty.ts"],
    ["agent/agent.ts", "../test/peers.ts"],
    ["agent/agent.ts", "../build/program.ts"],
    ["agent/agent.ts", "../examples/first.mjs"],
    ["agent/agent.ts", "../../elsewhere/index.ts"],
    ["controller/client.ts", "../agent/index.ts"],
    ["controller/client.ts", "../firmware-bridge/index.ts"],
    ["controller/client.ts", "../bench/run.ts"],
    ["controller/client.ts", "tether"],
    ["examples/first.mjs", "../controller/index.ts"],
    ["examples/first.mjs", "yaml"],
    ["stray.ts", "./protocol/index.ts"],
  ] as const) {
    test(`${path} may not import ${specifier}`, () => {
      const [line, ...more] = breaches(path, specifier);
      assert.match(String(line), new RegExp(`^${path} imports ${specifier.replaceAll(".", "\\.")}: .`));
      assert.deepEqual(more, []);
    });
  }

  test("a type of another room is an import too", () => {
    const modules = modulesOf({ "agent/a.ts": 'import type { B } from "../controller/index.ts";' });
    assert.equal(forbiddenImports(modules).length, 1);
  });

  test("what the plan allows is allowed", () => {
    assert.deepEqual(breaches("protocol/frame.ts", "./errors.ts", "node:crypto", "node:buffer"), []);
    assert.deepEqual(breaches("transfer/walk.ts", "../protocol/index.ts", "node:fs"), []);
    assert.deepEqual(
      breaches("firmware-bridge/link/tty.ts", "../../protocol/errors.ts", "../profile.ts"),
      [],
    );
    assert.deepEqual(breaches("firmware-bridge/link/tty.ts", "../../protocol/limits.ts", "serialport"), []);
    assert.deepEqual(breaches("agent/agent.ts", "../protocol/index.ts", "../transfer/index.ts"), []);
    assert.deepEqual(breaches("agent/agent.ts", "../firmware-bridge/index.ts", "./server/listener.ts"), []);
    assert.deepEqual(breaches("controller/serial.ts", "../firmware-bridge/rfc2217/index.ts"), []);
    assert.deepEqual(breaches("test/a/b.test.ts", "../../agent/log.ts", "../../controller/reach.ts"), []);
    assert.deepEqual(breaches("bench/run.ts", "../test/other-node.ts", "../protocol/frame.ts"), []);
    assert.deepEqual(breaches("examples/first.mjs", "tether", "node:fs"), []);
  });

  test("the protocol takes neither sockets nor files nor timers from Node", () => {
    for (const name of ["node:net", "node:tls", "node:fs", "node:fs/promises", "node:timers/promises"]) {
      const text = `import { connect } from "${name}";`;
      assert.equal(forbiddenImports(modulesOf({ "protocol/a.ts": text })).length, 1, name);
    }
    const pure = 'import { isIPv4 } from "node:net"; import type { Socket } from "node:net";';
    assert.deepEqual(forbiddenImports(modulesOf({ "protocol/a.ts": pure })), []);
    assert.equal(
      forbiddenImports(modulesOf({ "protocol/a.ts": 'import * as n from "node:net";' })).length,
      1,
    );
  });
});

describe("circles", () => {
  test("two modules that import each other are one", () => {
    const modules = modulesOf({ "agent/a.ts": 'import "./b.ts";', "agent/b.ts": 'export * from "./a.ts";' });
    assert.deepEqual(circles(modules), ["agent/a.ts -> agent/b.ts -> agent/a.ts"]);
  });

  test("so is a longer way round, an import() included", () => {
    const modules = modulesOf({
      "agent/a.ts": 'import "./b/index.ts";',
      "agent/b/index.ts": 'import "./c.ts"; import "./d.ts";',
      "agent/b/c.ts": "export {};",
      "agent/b/d.ts": 'export const later = () => import("../a.ts");',
    });
    assert.deepEqual(circles(modules), ["agent/a.ts -> agent/b/index.ts -> agent/b/d.ts -> agent/a.ts"]);
  });

  test("a module that imports itself is one", () => {
    assert.deepEqual(circles(modulesOf({ "agent/a.ts": 'import "./a.ts";' })), ["agent/a.ts -> agent/a.ts"]);
  });

  test("two ways to the same module are none, nor is one of types", () => {
    const modules = modulesOf({
      "agent/a.ts": 'import "./b.ts"; import "./c.ts";',
      "agent/b.ts": 'import "./c.ts"; import type { A } from "./a.ts";',
      "agent/c.ts": "export {};",
    });
    assert.deepEqual(circles(modules), []);
  });
});
