import { once } from "node:events";
import { promises } from "node:fs";
import {
  asTetherError,
  CALLS,
  isCallKey,
  type JsonObject,
  type JsonValue,
  KEYED_CALLS,
  parseJson,
  type RpcCall,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import { argumentValue } from "../arguments.ts";
import type { CallOptions, Client, Outcome, WaitOptions } from "../client.ts";
import type { CommandContext } from "../command-context.ts";
import type { AgentReport } from "../fan-out/agent-work.ts";
import { onAgents } from "../on-agents.ts";
import { CallBar, callLine } from "../render/call-bar.ts";
import { valueText } from "../render/value.ts";

/** Characters of a report of progress, and of a result among many, that stand in the table of agents. */
const PROGRESS_WIDTH = 60;
const LAST_LINE = 200;

/** `tether call`: one procedure, or a batch of them. */
export async function run(context: CommandContext): Promise<number> {
  const wait: WaitOptions = {
    signal: context.signal,
    ...(context.timeout !== undefined && { timeout: context.timeout }),
  };
  const file = context.options.get("batch");
  if (file !== undefined && (context.args.length > 0 || context.options.has("spread"))) {
    throw new TetherError("usage", "--batch reads the calls from its file, and takes no procedure", {
      hint: `usage: ${context.usage}`,
    });
  }
  const key = context.options.get("key");
  if (key !== undefined && (file !== undefined || !isCallKey(key))) {
    throw new TetherError(
      "usage",
      file === undefined
        ? `--key: allowed: 1 to ${KEYED_CALLS.keyBytes} bytes`
        : '--batch takes no --key: each line has its own, {"method", "params", "key"}',
    );
  }
  if (file !== undefined) return runBatch(await readBatch(file, context), wait, context);
  const [procedure, ...words] = context.args;
  if (procedure === undefined) {
    throw new TetherError("usage", "a procedure is missing", { hint: `usage: ${context.usage}` });
  }
  const spread = context.options.get("spread");
  if (spread !== undefined) {
    if (words.length > 0 || key !== undefined) {
      const what =
        key === undefined ? "reads the arguments from its file, and takes no others" : "takes no --key";
      throw new TetherError("usage", `--spread ${what}`, { hint: `usage: ${context.usage}` });
    }
    const { runSpread } = await import("../fan-out/spread.ts");
    return runSpread(procedure, spread, wait, context);
  }
  const params = words.map(argumentValue);
  const options: CallOptions = key === undefined ? wait : { ...wait, key };
  return onAgents(context, {
    // Of several agents, the results of one must not stand among those of another.
    work: (client, alone, report) =>
      alone
        ? callAlone(client, procedure, params, options, context)
        : callAmong(client, procedure, params, options, report),
    render: valueText,
  });
}

/** Calls one agent: progress is a bar on a terminal, and many results are printed as they come. */
async function callAlone(
  client: Client,
  procedure: string,
  params: JsonValue[],
  options: CallOptions,
  context: CommandContext,
): Promise<JsonValue | undefined> {
  const { stdout } = context;
  const bar = new CallBar(() => context.stderr);
  try {
    return await client.callStreaming(
      procedure,
      params,
      {
        onProgress: (progress) => bar.draw(progress),
        onYield(value) {
          bar.clear();
          const isFull = !stdout.write(`${writeJson(value)}\n`);
          return isFull ? once(stdout, "drain").then(() => undefined) : undefined;
        },
      },
      options,
    );
  } finally {
    bar.clear();
  }
}

/** Calls one of several agents: what comes before the result is told to whoever looks on. */
function callAmong(
  client: Client,
  procedure: string,
  params: JsonValue[],
  options: CallOptions,
  report: AgentReport,
): Promise<JsonValue> {
  return client.call(procedure, params, options, {
    onProgress: (progress) => report.progress(callLine(progress, PROGRESS_WIDTH)),
    onYield: (value) => report.line(writeJson(value).slice(0, LAST_LINE)),
  });
}

function runBatch(calls: readonly RpcCall[], wait: WaitOptions, context: CommandContext): Promise<number> {
  return onAgents(context, {
    async work(client) {
      const outcomes: Outcome[] = [];
      for (let at = 0; at < calls.length; at += CALLS.batch) {
        outcomes.push(...(await client.batch(calls.slice(at, at + CALLS.batch), wait)));
      }
      return outcomes.map(outcomeValue);
    },
    render: (outcomes) => (outcomes as JsonValue[]).map(writeJson).join("\n"),
    exitCode: (outcomes) => ((outcomes as JsonObject[]).some((outcome) => "error" in outcome) ? 1 : 0),
  });
}

function outcomeValue(outcome: Outcome): JsonValue {
  return "error" in outcome ? { error: { ...outcome.error.toJSON() } } : { result: outcome.result };
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const { text } = await import("node:stream/consumers");
  return text(stream);
}

async function readBatch(file: string, context: CommandContext): Promise<RpcCall[]> {
  const text = file === "-" ? await readAll(context.stdin) : await promises.readFile(file, "utf8");
  const calls: RpcCall[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() !== "") calls.push(readCall(line, `${file}:${index + 1}`));
  }
  return calls;
}

function readCall(line: string, where: string): RpcCall {
  const shape = `{"method": "math.multiply", "params": [6, 7]}`;
  let value: JsonValue;
  try {
    value = parseJson(line);
  } catch (error) {
    throw new TetherError("usage", `${where}: ${asTetherError(error).message}; allowed: ${shape}`);
  }
  const { method, params, key, ...others } = (typeof value === "object" ? (value ?? {}) : {}) as JsonObject;
  const unknown = Object.keys(others).find((name) => name !== "jsonrpc" && name !== "id");
  if (
    typeof method !== "string" ||
    unknown !== undefined ||
    (params !== undefined && typeof params !== "object") ||
    (key !== undefined && !isCallKey(key))
  ) {
    throw new TetherError("usage", `${where}: no call; allowed: ${shape}`);
  }
  return {
    method,
    ...(params !== undefined && params !== null && { params }),
    ...(key !== undefined && { key }),
  };
}
