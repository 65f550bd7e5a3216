import { randomUUID } from "node:crypto";
import { promises } from "node:fs";
import { basename } from "node:path";
import { type CallProgress, FLASH, type JsonObject, TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { CallBar, callLine } from "../render/call-bar.ts";
import { sizeText } from "../render/size.ts";
import { plain } from "../render/table.ts";

/** Characters of how far it is, in the table of agents. */
const PROGRESS_WIDTH = 60;

/** `tether flash`: a file into the board of a device, by the tool that the agent has for it. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 2);
  const [device = "", file = ""] = context.args;
  const { options, signal, stderr } = context;
  const verbose = options.has("verbose");
  const content = await readFileFor(file);
  const params = { device, name: basename(file), content, take: options.has("take"), verbose };
  const bar = new CallBar(() => stderr);
  const show = (progress: CallProgress) => {
    if (!verbose) bar.draw(progress);
    else if (progress.note !== undefined) stderr.write(`${plain(progress.note)}\n`);
  };
  return onAgents(context, {
    async work(client, alone, report) {
      const onProgress = alone
        ? show
        : (progress: CallProgress) => report.progress(callLine(progress, PROGRESS_WIDTH));
      try {
        // Under a key the connection may break: the board is flashed once, and how it went is heard afterwards.
        return await client.call("devices.flash", params, { signal, key: randomUUID() }, { onProgress });
      } finally {
        bar.clear();
      }
    },
    render(result) {
      const { bytes, tool, seconds, state } = result as JsonObject;
      const after = state === "ready" ? "" : `; it is ${state} now`;
      return `${plain(device)}: flashed ${sizeText(Number(bytes))} with ${tool} in ${Number(seconds).toFixed(1)} s${after}`;
    },
  });
}

async function readFileFor(path: string): Promise<string> {
  const facts = await promises.stat(path);
  if (!facts.isFile()) throw new TetherError("invalid", `${path} is no file`);
  if (facts.size > FLASH.fileBytes) {
    throw new TetherError("limit", `${path} has ${facts.size} bytes; allowed are ${FLASH.fileBytes}`);
  }
  return await promises.readFile(path, "base64");
}
