import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import test, { describe } from "node:test";
import { emptyNames, lockMistakes, namesPathIn, strayEntries } from "./layout-rules.ts";
import { ROOT, repositoryFiles } from "./repository.ts";

/** Folders that every machine has: a path in them says nothing about this one. */
const EVERYWHERE = ["/", "/home", "/root", "/tmp", "/var/tmp", "/usr/src", "/opt", "/srv", "/mnt", "/build"];

describe("this repository", () => {
  const paths = repositoryFiles();

  test("has its rooms at the top and little else", () => assert.deepEqual(strayEntries(paths), []));

  test("names every file for its subject", () => assert.deepEqual(emptyNames(paths), []));

  test("locks every package, from no address", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
    assert.ok(Object.keys(lock.packages).length > 50);
    assert.deepEqual(lockMistakes(lock.packages), []);
  });

  test("holds no path of the machine it lies on", () => {
    const checkout = resolve(ROOT);
    const folders = [checkout, dirname(checkout), homedir()].filter((folder) => !EVERYWHERE.includes(folder));
    const telling = paths.filter((path) => {
      const text = readFileSync(join(ROOT, path), "latin1");
      return folders.some((folder) => namesPathIn(folder, text));
    });
    assert.deepEqual(telling, []);
  });
});

describe("the rules", () => {
  test("a stray entry at the top is named", () => {
    const paths = ["protocol/a.ts", ".ci/run", "README.md", "src/a.ts", "src/b.ts", "notes.txt"];
    assert.deepEqual(strayEntries(paths), ["src", "notes.txt"]);
  });

  test("a name that says nothing is found wherever it stands", () => {
    const empty = [
      "agent/utils.ts",
      "agent/common/a.ts",
      "test/x/helpers.test.ts",
      "agent/misc.ts",
      "agent/file-utils.ts",
    ];
    assert.deepEqual(emptyNames([...empty, "agent/utilisation.ts", "agent/commons.ts"]), empty);
  });

  test("an address in the lock file is found", () => {
    assert.deepEqual(lockMistakes({ "node_modules/a": { resolved: "https://registry.example/a.tgz" } }), [
      "node_modules/a is bound to https://registry.example/a.tgz",
    ]);
  });

  test("a package that is wanted and not locked is found", () => {
    const packages = {
      "": { devDependencies: { a: "1", gone: "1" } },
      "node_modules/a": { dependencies: { inner: "1", "@scope/b": "1" } },
      "node_modules/a/node_modules/inner": { optionalDependencies: { a: "1", "for-another-machine": "1" } },
      "node_modules/@scope/b": { dependencies: { inner: "1" } },
    };
    assert.deepEqual(lockMistakes(packages), [
      "package.json wants gone, which is not locked",
      "node_modules/a/node_modules/inner wants for-another-machine, which is not locked",
      "node_modules/@scope/b wants inner, which is not locked",
    ]);
  });

  test("a path counts where it begins, not inside another", () => {
    assert.ok(namesPathIn("/some/where", 'open("/some/where/file")'));
    assert.ok(namesPathIn("/some/where", "/some/where/file"));
    assert.ok(namesPathIn("/some/where", "from /var/some/where/x to /some/where/y"));
    assert.ok(!namesPathIn("/some/where", "/var/some/where/file"));
    assert.ok(!namesPathIn("/some/where", "/some/wherever"));
  });
});
