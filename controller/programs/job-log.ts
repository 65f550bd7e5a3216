import type { JsonObject } from "../../protocol/index.ts";
import type { Client } from "../client.ts";

/** A part of a job's output, as `jobs.log` gives it. */
export interface JobLog {
  readonly from: number;
  readonly next: number;
  readonly end: number;
  readonly pieces: readonly { readonly output: "stdout" | "stderr"; readonly data: string }[];
  readonly job: JsonObject;
}

/** Asks for a job's output from a position on; with `wait`, once there is some or the job has ended. */
export async function jobLog(
  client: Client,
  id: string,
  wish: { readonly from: number; readonly wait: boolean; readonly signal: AbortSignal },
): Promise<JobLog> {
  const { from, wait, signal } = wish;
  return (await client.call("jobs.log", { id, from, wait }, { signal })) as unknown as JobLog;
}
