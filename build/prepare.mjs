/**
 * Makes sure that this is a Node that can run Tether and that node_modules is what package-lock.json says.
 *
 * Plain JavaScript for Node 20 without a dependency: it runs before there is any.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 20;

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  fail(`Tether needs Node ${OLDEST_NODE} or later; this is Node ${process.versions.node}.`);
}

const reason = whyStale();
if (reason !== undefined) {
  console.error(`Installing the dependencies with npm ci: ${reason}.`);
  install();
}

/**
 * Says what is wrong with node_modules, or undefined when nothing is.
 *
 * npm keeps the tree that it installed in node_modules/.package-lock.json. It leaves out the optional packages
 * of other platforms, so these alone may be missing there.
 */
function whyStale() {
  const wanted = readPackages(join(root, "package-lock.json"));
  if (wanted === undefined) fail("package-lock.json is missing or is not JSON.");
  const installed = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "there is no node_modules";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "") continue;
    const name = packageName(path);
    const found = installed[path];
    if (found === undefined) {
      if (entry.optional !== true) return `${name} is missing`;
    } else if (found.version !== entry.version) {
      return `${name} is ${found.version}, not the ${entry.version} of package-lock.json`;
    } else if (found.integrity !== entry.integrity) {
      return `${name} is not the content that package-lock.json names`;
    }
  }
  const extra = Object.keys(installed).find((path) => wanted[path] === undefined);
  return extra === undefined ? undefined : `${packageName(extra)} is not in package-lock.json`;
}

function packageName(path) {
  return path.replace(/^.*node_modules\//, "");
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

function install() {
  // No install script runs: every package used here brings its binaries along.
  const args = ["ci", "--ignore-scripts", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const result =
    npm === undefined
      ? spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: process.platform === "win32" })
      : spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: "inherit" });
  if (result.error !== undefined) fail(`npm could not be started: ${result.error.message}.`);
  if (result.status !== 0) fail("npm ci failed.");
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
