import { TetherError, writeJson } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { Forwarder } from "../programs/forwarder.ts";
import { plain } from "../render/table.ts";

/** `tether forward`: a TCP port of the agent's machine on this one's 127.0.0.1, until Ctrl-C. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const { local, remote } = readPorts(context.args[0] ?? "");
  const { folder, signal, stdout, stderr } = context;
  const client = await connect(oneAgent(context), { folder, signal });
  const forwarder = new Forwarder(client, remote, (error) =>
    stderr.write(`tether: ${plain(error.message)}\n`),
  );
  try {
    const port = await forwarder.listen(local);
    const facts = { address: "127.0.0.1", port, agent: client.name, agentPort: remote };
    stdout.write(
      context.json
        ? `${writeJson(facts)}\n`
        : `127.0.0.1:${port} is port ${remote} of ${plain(client.name)}, until Ctrl-C\n`,
    );
    const aborted = new Promise<"aborted">((resolve) => {
      signal.addEventListener("abort", () => resolve("aborted"));
      if (signal.aborted) resolve("aborted");
    });
    const ended = await Promise.race([aborted, client.closed]);
    if (ended !== "aborted") throw ended ?? new TetherError("unreachable", "the agent ended the connection");
    return 0;
  } finally {
    await forwarder.stop();
    client.close();
  }
}

function readPorts(text: string): { readonly local: number; readonly remote: number } {
  const [, local, remote] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  const ports = { local: Number(local ?? remote), remote: Number(remote) };
  if (ports.remote >= 1 && ports.remote <= 65_535 && ports.local <= 65_535) return ports;
  throw new TetherError("usage", `${text}: not a [LOCAL:]PORT`, {
    hint: "8080, or 9000:8080 where 9000 is the port here; 0:8080 takes any free one",
  });
}
