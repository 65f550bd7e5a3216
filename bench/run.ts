/**
 * `npm run bench`: our programs and others on the same work, in one run. `npm run bench -- calls startup` runs
 * these parts only; with `--write` a whole run goes to RESULTS.md.
 */
import { writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { benchCalls } from "./calls.ts";
import { benchCompute } from "./compute.ts";
import type { Findings } from "./contest.ts";
import { benchDiscovery } from "./discovery.ts";
import { benchExec } from "./exec.ts";
import { benchFanOut } from "./fan-out.ts";
import { benchFiles } from "./files.ts";
import { benchFootprint } from "./footprint.ts";
import { benchFtp } from "./ftp.ts";
import { benchGateways } from "./gateways.ts";
import { asMarkdown, asText, machineFacts, type Part } from "./report.ts";
import { benchResume } from "./resume.ts";
import { benchSerial } from "./serial.ts";
import { benchStartup } from "./startup.ts";
import { benchSync } from "./sync.ts";

/** The one table of subjects, in the order in which they run. */
const SUBJECTS: { readonly [name: string]: () => Promise<Findings> } = {
  calls: benchCalls,
  startup: benchStartup,
  files: benchFiles,
  resume: benchResume,
  sync: benchSync,
  exec: benchExec,
  footprint: benchFootprint,
  gateways: benchGateways,
  ftp: benchFtp,
  serial: benchSerial,
  discovery: benchDiscovery,
  compute: benchCompute,
  "fan-out": benchFanOut,
};

const RESULTS = fileURLToPath(new URL("RESULTS.md", import.meta.url));

async function main(args: readonly string[]): Promise<number> {
  const write = args.includes("--write");
  const wanted = args.filter((one) => one !== "--write");
  const unknown = wanted.find((name) => !Object.hasOwn(SUBJECTS, name));
  if (unknown !== undefined || (write && wanted.length > 0)) {
    const why = unknown === undefined ? "--write takes a whole run" : `there is no part "${unknown}"`;
    console.error(`${why}; usage: npm run bench [-- --write | ${Object.keys(SUBJECTS).join(" | ")}]`);
    return 2;
  }
  const facts = machineFacts();
  const parts: Part[] = [];
  for (const [name, bench] of Object.entries(SUBJECTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const start = performance.now();
    const part = { name, findings: await bench() };
    parts.push(part);
    console.log(`— ${name}, ${((performance.now() - start) / 1000).toFixed(0)} s —\n${asText([part])}`);
  }
  const end = `load average when it ended: ${loadavg()[0]?.toFixed(1)}`;
  if (write) await writeFile(RESULTS, asMarkdown(parts, [...facts, end]));
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
