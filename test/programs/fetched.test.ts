import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FetchedFiles } from "../../controller/programs/fetched-files.ts";
import { globMatcher, PROGRAMS } from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "../identity/folder.ts";

test("patterns fit as a shell's do", () => {
  const cases: [pattern: string, fits: string[], not: string[]][] = [
    ["*.csv", ["a.csv", "ä.csv"], ["a.csv.gz", "d/a.csv", ".csv", ".a.csv", "acsv"]],
    ["d/?.txt", ["d/a.txt"], ["d/ab.txt", "d/.txt", "d/e/a.txt"]],
    ["**/*.txt", ["a.txt", "d/a.txt", "d/e/a.txt"], [".d/a.txt", "a.txt/b"]],
    ["d/**", ["d/a", "d/e/a"], ["a", "da"]],
    ["[a-c]x[!0-9]", ["axz", "cx-"], ["dxz", "ax1", "ax"]],
    ["a+(b).{c}|$^", ["a+(b).{c}|$^"], ["aab.c"]],
    [".h*", [".hid"], ["h"]],
    ["[.]h", [], [".h"]],
  ];
  for (const [pattern, fits, not] of cases) {
    const matches = globMatcher(pattern);
    for (const path of fits) assert.ok(matches(path), `${pattern} fits ${path}`);
    for (const path of not) assert.ok(!matches(path), `${pattern} does not fit ${path}`);
  }
  assert.throws(() => globMatcher("*".repeat(17)), tetherError("invalid", /stars/));
  assert.throws(
    () => globMatcher("a".repeat(PROGRAMS.patternLength + 1)),
    tetherError("invalid", /characters/),
  );
  const start = performance.now();
  globMatcher("*a".repeat(8))("a".repeat(60));
  assert.ok(performance.now() - start < 5_000);
});

test("no agent writes out of the folder, or what was not asked for, or more than it said", async (t) => {
  const folder = join(temporaryFolder(t), "here");
  const outside = join(folder, "..", "outside");
  for (const path of [folder, outside]) mkdirSync(path);
  symlinkSync(outside, join(folder, "link"));
  const all = () => new FetchedFiles(folder, () => true);
  const file = (path: string, size = 1) => ({ report: "file", path, size, mode: 0o644 }) as const;
  for (const path of ["../x", "/x", "a/../../x", "", ".", "..", "a//x", "link/x", "a\0b", "a/"]) {
    const fetched = all();
    await assert.rejects(async () => {
      await fetched.begin(file(path));
      await fetched.write(Buffer.from("x"));
      await fetched.finish();
    }, path);
    fetched.abandon();
  }
  const unasked = new FetchedFiles(folder, globMatcher("*.csv"));
  await assert.rejects(unasked.begin(file("x.txt")), tetherError("forbidden", /not asked for/));
  const long = all();
  await long.begin(file("long"));
  await assert.rejects(long.write(Buffer.from("xx")), tetherError("integrity", /longer/));
  const short = all();
  await short.begin(file("short", 2));
  await short.write(Buffer.from("x"));
  await assert.rejects(short.finish(), tetherError("integrity", /shorter/));
  await assert.rejects(all().begin(file("huge", PROGRAMS.fetchedBytes + 1)), tetherError("limit", /bytes/));
  assert.deepEqual(readdirSync(outside), []);
  assert.ok(!existsSync(join(folder, "..", "x")));

  const good = all();
  await good.begin(file("d/e/a.txt", 3));
  await good.write(Buffer.from("ab"));
  await good.write(Buffer.from("c"));
  await good.begin(file("link", 0));
  await good.finish();
  assert.equal(readFileSync(join(folder, "d/e/a.txt"), "utf8"), "abc");
  // The link itself gives way to the file; what it led to stays.
  assert.deepEqual(readdirSync(outside), []);
});
