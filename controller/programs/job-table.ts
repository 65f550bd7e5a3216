import type { JsonObject, JsonValue } from "../../protocol/index.ts";
import { plain, table } from "../render/table.ts";

/** What `jobs.list` gives, for people. */
export function jobTable(jobs: JsonValue): string {
  const rows = (jobs as JsonObject[]).map((job) => [
    String(job.id),
    jobState(job),
    String(job.startedAt),
    String(job.by),
    plain((job.command as string[]).join(" ")).slice(0, 80),
  ]);
  return table(["JOB", "STATE", "STARTED", "BY", "COMMAND"], rows);
}

/** How a job stands, in a few words. */
export function jobState({ state, exitCode, signal, fate }: JsonObject): string {
  if (state === "running") return "running";
  const how = exitCode === null ? "" : typeof signal === "string" ? signal : `exit ${exitCode}`;
  const why = typeof fate === "string" ? fate.replace("-", " ") : "";
  return [how, why].filter((word) => word !== "").join(", ") || "ended";
}
