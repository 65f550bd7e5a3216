import { readFileSync } from "node:fs";
import { arch, cpus, release, totalmem } from "node:os";
import type { Bar, Comparison, Findings, Row, Spread, Table } from "./contest.ts";

/** The findings of one subject, under its name. */
export interface Part {
  readonly name: string;
  readonly findings: Findings;
}

const COLUMNS = ["", "", "quartiles", "beside others", "bar", "aim", ""];
const HOW_TO_READ = `Contestants take turns, round after round, each in processes of its own, and this machine may have had other work
at the same time. So the times in the second column are good for this machine and this hour only; what counts
are the ratios, each taken within one round, of which the median is given with the quartiles of all rounds behind
it. Ratios closer to 1 than about 1.3 are noise. The bars are this project's own; a figure is *met*, *missed*, or
*aim*, where it reaches what would be excellent. No Raspberry Pi was measured: its cores are slower, and those of
a Pi 4 and older have no AES instructions.`;

/** The findings for a terminal. */
export function asText(parts: readonly Part[]): string {
  return parts
    .flatMap(({ findings }) => [
      ...findings.tables.flatMap((table) => [`${table.what} (${table.unit})`, aligned(lines(table)), ""]),
      ...findings.leftOut.map((one) => `left out: ${one}`),
    ])
    .join("\n");
}

/** The findings of one subject as a section of the page; `load`: the load averages before and after it. */
export function asSection({ name, findings }: Part, load: readonly [before: number, after: number]): string {
  const bars = findings.tables.flatMap(barsOf);
  const missed = bars.filter(({ verdict }) => verdict === "missed");
  const now = new Date().toISOString().slice(0, 16).replace("T", " ");
  return [
    `## ${name}`,
    "",
    `${now} UTC, load average ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after it, its own work included.`,
    ...(bars.length === 0 ? [] : ["", `Bars met: ${bars.length - missed.length} of ${bars.length}.`]),
    ...(missed.length === 0 ? [] : ["", ...missed.map(({ text }) => `- missed: ${text}`)]),
    ...findings.tables.flatMap(tableMarkdown),
    ...(findings.leftOut.length === 0 ? [] : ["", ...findings.leftOut.map((one) => `Left out: ${one}`)]),
    "",
  ].join("\n");
}

/** The sections of a page by the names of their subjects. */
export function sectionsOf(page: string): Map<string, string> {
  const [, ...sections] = page.split(/^(?=## )/m);
  return new Map(sections.map((section) => [/^## (.*)/.exec(section)?.[1] ?? "", section]));
}

/** The page of the last results of every subject. */
export function asPage(sections: readonly string[]): string {
  const all = sections.join("");
  const counts = [...all.matchAll(/^Bars met: (\d+) of (\d+)\.$/gm)];
  const sum = (index: number) => counts.reduce((total, count) => total + Number(count[index]), 0);
  const missed = [...all.matchAll(/^- missed: .*$/gm)].map(([line]) => line.replace("missed: ", ""));
  const head = [
    "# Results of `npm run bench -- --write`",
    "",
    "Written by the runs themselves; do not edit. Each section says when it was measured, all of them here:",
    "",
    ...machineFacts().map((fact) => `- ${fact}`),
    "",
    "## How to read this",
    "",
    HOW_TO_READ,
    "",
    "## The bars",
    "",
    `${sum(1)} of ${sum(2)} are met${missed.length === 0 ? "." : "; missed:"}`,
    ...(missed.length === 0 ? [] : ["", ...missed]),
    "",
    "",
  ].join("\n");
  return `${head}${sections.map((section) => section.trimEnd()).join("\n\n")}\n`;
}

/** What the figures depend on. */
function machineFacts(): string[] {
  const [cpu] = cpus();
  return [
    `${cpu?.model.trim()}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${arch()}`,
    `${distribution()}, Linux ${release()}`,
    `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`,
    "a load near or over the number of cores before a part means that the machine had other work",
  ];
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown system";
  } catch {
    return "unknown system";
  }
}

function tableMarkdown(table: Table): string[] {
  const body = lines(table).map((cells) => `| ${cells.join(" | ")} |`);
  const head = COLUMNS.map((column, index) => (index === 1 ? table.unit : column));
  return [
    "",
    `### ${capital(table.what)}`,
    "",
    table.meaning,
    "",
    `| ${head.join(" | ")} |`,
    `| ${COLUMNS.map(() => "---").join(" | ")} |`,
    ...body,
  ];
}

/** The cells of each line: a comparison each, the first one beside its row's figure. */
function lines({ rows }: Table): string[][] {
  return rows.flatMap(({ who, value, comparisons }) => {
    const first = [who, number(value.median), quartiles(value)];
    if (comparisons.length === 0) return [[...first, "", "", "", ""]];
    return comparisons.map((one, index) => [
      ...(index === 0 ? first : ["", "", ""]),
      ...comparisonCells(one),
    ]);
  });
}

function comparisonCells({ of, value, bar }: Comparison): string[] {
  const beside = of === "" ? "" : `${number(value.median)} (${quartiles(value)}) ${of}`;
  if (bar === undefined) return [beside, "", "", ""];
  const sign = bar.better === "larger" ? "≥" : "≤";
  const aim = bar.aim === undefined ? "" : `${sign} ${number(bar.aim)}`;
  return [beside, `${sign} ${number(bar.limit)}`, aim, verdictOf(value, bar)];
}

function barsOf(table: Table): { readonly text: string; readonly verdict: string }[] {
  return table.rows.flatMap((row: Row) =>
    row.comparisons.flatMap(({ of, value, bar }) => {
      if (bar === undefined) return [];
      const sign = bar.better === "larger" ? "≥" : "≤";
      const what = of === "" ? `${number(value.median)} ${table.unit}` : `${number(value.median)} ${of}`;
      const text = `${table.what}, ${row.who}: ${what}, bar ${sign} ${number(bar.limit)}`;
      return [{ text, verdict: verdictOf(value, bar) }];
    }),
  );
}

function verdictOf({ median }: Spread, { limit, aim, better }: Bar): "aim" | "met" | "missed" {
  const reaches = (goal: number) => (better === "larger" ? median >= goal : median <= goal);
  if (aim !== undefined && reaches(aim)) return "aim";
  return reaches(limit) ? "met" : "missed";
}

function quartiles({ low, high }: Spread): string {
  return number(low) === number(high) ? "" : `${number(low)} to ${number(high)}`;
}

/** Three figures that count; more digits would be noise. */
function number(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString("en", { maximumFractionDigits: digits });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function aligned(rows: readonly string[][]): string {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((cells) => (cells[column] ?? "").length)));
  return rows
    .map((cells) => `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())
    .join("\n");
}
