import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const LICENCE_FILE = /^(licen[cs]e|copying|notice)/i;

/**
 * The licence texts of the packages that bundles are made of, for the file that goes out with them.
 *
 * `modules` are the paths of bundled modules; those outside node_modules are ours and left out. Throws when a
 * package comes without a licence.
 */
export async function licenceTexts(modules: Iterable<string>): Promise<string> {
  const folders = new Set<string>();
  for (const path of modules) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replaceAll("\\", "/"))?.[0];
    if (folder !== undefined) folders.add(folder);
  }
  const parts = await Promise.all([...folders].map(licenceText));
  return parts.sort().join(`\n${"-".repeat(80)}\n`);
}

async function licenceText(folder: string): Promise<string> {
  const facts: { name: string; version: string; license?: string } = JSON.parse(
    await readFile(join(folder, "package.json"), "utf8"),
  );
  const files = (await readdir(folder)).filter((name) => LICENCE_FILE.test(name)).sort();
  if (files.length === 0 && facts.license === undefined) throw new Error(`${facts.name} has no licence`);
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  return [`${facts.name} ${facts.version} (${facts.license ?? "see below"})`, ...texts].join("\n\n");
}
