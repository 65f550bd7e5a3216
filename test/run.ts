/**
 * `npm test`: runs test/**\/*.test.ts, or those whose path contains one of the arguments.
 *
 * Prints Node's readable report, then the files that took longest, what was skipped with the one line that brings
 * what is missing, and last the counts. Exits 1 when a test failed or none was found.
 */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { type PeerName, packagesOf, peersInReason } from "./peers.ts";

/** Milliseconds after which a file that not even its own deadline has ended is killed. */
const FILE_TIMEOUT = 240_000;

/** Files run at once: tests mostly wait, but they also measure time. */
const CONCURRENCY = Math.min(availableParallelism(), 4);

/** Files named for their length. */
const SLOWEST = 10;

const folder = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("..", import.meta.url));
const filters = process.argv.slice(2);

const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join(folder, name))
  .filter((file) => filters.length === 0 || filters.some((text) => relative(root, file).includes(text)))
  .sort();
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(" ")}`);
  process.exit(1);
}

/** The counts that Node gives at the end, by name: tests, suites, pass, fail, cancelled, skipped, todo. */
const counts = new Map<string, number>();
const durations: { file: string; milliseconds: number }[] = [];
const skipped: { name: string; reason: string }[] = [];
let failed = false;

// The processes of the test files get the options of this one.
process.execArgv.push("--import", new URL("./deadline.ts", import.meta.url).href);
const events = run({ files, concurrency: CONCURRENCY, timeout: FILE_TIMEOUT });
for await (const chunk of Readable.from(withoutCounts(events)).compose(new spec())) {
  process.stdout.write(String(chunk));
}

printSlowest();
printSkipped();
for (const [name, count] of counts) console.log(`# ${name} ${count}`);
// A killed file may leave a child that still holds a pipe of ours.
process.exit(failed || (counts.get("tests") ?? 0) === 0 ? 1 : 0);

/** Passes the events on, keeping the counts back and taking note of what was skipped, what failed and how long each file took. */
async function* withoutCounts(source: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  for await (const event of source as AsyncIterable<{ type: string; data: Record<string, unknown> }>) {
    const { type, data } = event;
    if (type === "test:fail") failed = true;
    if (data.skip !== undefined && type === "test:pass") {
      skipped.push({ name: String(data.name), reason: data.skip === true ? "" : String(data.skip) });
    }
    if (type === "test:complete" && data.name === data.file) {
      const { duration_ms: milliseconds } = data.details as { readonly duration_ms: number };
      durations.push({ file: String(data.file), milliseconds });
    }
    const count = /^([a-z_]+) ([0-9.]+)$/.exec(String(data.message));
    if (type === "test:diagnostic" && data.nesting === 0 && count?.[1] !== undefined) {
      counts.set(count[1], Number(count[2]));
    } else {
      yield event;
    }
  }
}

function printSlowest(): void {
  durations.sort((a, b) => b.milliseconds - a.milliseconds);
  console.log("\nslowest files:");
  for (const { file, milliseconds } of durations.slice(0, SLOWEST)) {
    console.log(`  ${(milliseconds / 1000).toFixed(1).padStart(6)} s  ${relative(root, file)}`);
  }
}

function printSkipped(): void {
  if (skipped.length === 0) return;
  console.log(`\nskipped (${skipped.length}):`);
  const peers: PeerName[] = [];
  for (const { name, reason } of skipped) {
    const wanted = peersInReason(reason);
    peers.push(...wanted);
    console.log(`  ${name}${wanted.length > 0 ? ` (needs ${wanted.join(", ")})` : reason && ` (${reason})`}`);
  }
  if (peers.length > 0) {
    console.log(`what is missing comes with: apt-get install ${packagesOf(peers).join(" ")}`);
  }
  console.log();
}
