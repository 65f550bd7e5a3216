import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import { ROOT, repositoryFiles } from "./repository.ts";

const pages = repositoryFiles().filter((path) => path.endsWith(".md"));

/** The paths to which a page links, from the top; without the web and without places in pages. */
function linksOf(page: string): string[] {
  const prose = readFileSync(join(ROOT, page), "utf8").replace(/^```[\s\S]*?^```/gm, "");
  return [...prose.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => posix.join(posix.dirname(page), target));
}

test("every link of a page leads to something", () => {
  const broken = pages.flatMap((page) =>
    linksOf(page)
      .filter((target) => !existsSync(join(ROOT, target)))
      .map((target) => `${page} links to ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("every page of docs/ is reached from the README, or from the index of its folder", () => {
  const lost = pages.filter((page) => {
    if (!page.startsWith("docs/")) return false;
    const index = posix.join(posix.dirname(page), "README.md");
    return !linksOf("README.md").includes(page) && !(pages.includes(index) && linksOf(index).includes(page));
  });
  assert.deepEqual(lost, []);
});

test("decisions are numbered one after the other", () => {
  const decisions = pages.filter((page) => /^docs\/decisions\/\d/.test(page)).sort();
  for (const [index, page] of decisions.entries()) {
    const number = index + 1;
    assert.ok(page.startsWith(`docs/decisions/${String(number).padStart(4, "0")}-`), page);
    assert.ok(readFileSync(join(ROOT, page), "utf8").startsWith(`# ${number}. `), page);
  }
});
