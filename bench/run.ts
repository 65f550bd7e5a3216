/**
 * `npm run bench`: our programs and others on the same work, in one run. `npm run bench -- calls startup` runs
 * these parts only; with `--write` what was measured takes the place of what RESULTS.md says of these parts.
 */
import { readFile, writeFile } from "node:fs/promises";
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
import { benchLink } from "./link.ts";
import { asPage, asSection, asText, sectionsOf } from "./report.ts";
import { benchResume } from "./resume.ts";
import { benchSerial } from "./serial.ts";
import { benchStartup } from "./startup.ts";
import { benchSync } from "./sync.ts";

/** The one table of subjects, in the order in which they run. */
const SUBJECTS: { readonly [name: string]: () => Promise<Findings> } = {
  calls: benchCalls,
  startup: benchStartup,
  files: benchFiles,
  link: benchLink,
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
  if (unknown !== undefined) {
    const names = Object.keys(SUBJECTS).join(" | ");
    console.error(`there is no part "${unknown}"; usage: npm run bench [-- [--write] [${names}]…]`);
    return 2;
  }
  const sections = sectionsOf(await readFile(RESULTS, "utf8"));
  for (const [name, bench] of Object.entries(SUBJECTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const start = performance.now();
    const before = loadavg()[0] ?? 0;
    const part = { name, findings: await bench() };
    console.log(`— ${name}, ${((performance.now() - start) / 1000).toFixed(0)} s —\n${asText([part])}`);
    if (!write) continue;
    sections.set(name, asSection(part, [before, loadavg()[0] ?? 0]));
    // After each part, so that a run that is ended early has written what it has measured.
    const kept = Object.keys(SUBJECTS).flatMap((subject) => sections.get(subject) ?? []);
    await writeFile(RESULTS, asPage(kept));
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
