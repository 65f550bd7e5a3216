import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where fetched Nodes are kept between runs. */
const CACHE = fileURLToPath(new URL("../node_modules/.cache/tether/", import.meta.url));

/** Milliseconds that fetching one Node may take. */
const FETCH_TIMEOUT = 180_000;

/**
 * The path of a `node` of another major version, fetched from the package registry the first time.
 *
 * Throws when it can neither be found nor fetched.
 */
export async function otherNode(major: number): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(CACHE, `node-${major}`);
  const binary = join(home, "node_modules", name, "bin", "node");
  if (await exists(binary)) return binary;

  await mkdir(CACHE, { recursive: true });
  // Fetched aside and renamed, so that two tests that want it at once never see half of it.
  const aside = await mkdtemp(join(CACHE, `node-${major}-`));
  try {
    const options = ["--no-save", "--no-package-lock", "--ignore-scripts", "--loglevel=error"];
    await run("npm", ["install", ...options, "--prefix", aside, `${name}@${major}`], {
      cwd: aside,
      timeout: FETCH_TIMEOUT,
    });
    await rename(aside, home).catch(async (error: unknown) => {
      if (!(await exists(binary))) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return binary;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
