import {
  asTetherError,
  formatHostPort,
  isLoopback,
  isRole,
  roleAllows,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { plain } from "../render/table.ts";
import { Exposer } from "../serial/exposer.ts";

/** `tether serial expose`: an RFC 2217 server here for a port of the agent's, until Ctrl-C. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const [port = ""] = context.args;
  const { folder, signal, stdout, stderr } = context;
  const { host, port: local } = readListen(context.options.get("listen"));
  const name = oneAgent(context);
  const warn = (text: string) => stderr.write(`tether: ${plain(text)}\n`);
  const client = await connect(name, { folder, signal });
  const exposer = new Exposer(client, {
    wish: { port, take: context.options.has("take") },
    connect: (tries) => connect(name, { folder, signal: tries }),
    onFailed: (error) => warn(error.message),
    signal,
  });
  try {
    await checkRole(client, context.options.has("take"));
    if (!port.startsWith("/")) await checkDevice(client, port, signal);
    const bound = await exposer.listen(host, local);
    if (!isLoopback(bound.address)) warn("everybody who reaches this machine may use the port");
    const url = `rfc2217://${formatHostPort(bound.address, bound.port)}`;
    const facts = { url, address: bound.address, port: bound.port, agent: client.name, device: port };
    stdout.write(
      context.json
        ? `${writeJson(facts)}\n`
        : `${url} is ${plain(port)} of ${plain(client.name)}, until Ctrl-C\n`,
    );
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    const reason = asTetherError(signal.reason);
    if (reason.code === "timeout") throw reason;
    return 0;
  } finally {
    await exposer.stop();
  }
}

/** Throws `forbidden` for who may not write there: better now than when the first program connects. */
async function checkRole(client: Awaited<ReturnType<typeof connect>>, take: boolean) {
  const role = (await client.hello).agent?.role;
  const needed = take ? "admin" : "operator";
  if (!isRole(role) || roleAllows(role, needed)) return;
  const what = take ? "to take a port from somebody" : "to write on a port";
  throw new TetherError("forbidden", `${what} needs the role ${needed}; you have ${role}`);
}

/** Throws `not-found` for a device that is not declared. */
async function checkDevice(client: Awaited<ReturnType<typeof connect>>, name: string, signal: AbortSignal) {
  const devices = (await client.call("devices.list", [], { signal })) as unknown as readonly {
    readonly name: string;
  }[];
  if (devices.some((device) => device.name === name)) return;
  const names = devices.map((device) => device.name).join(", ");
  throw new TetherError("not-found", `there is no device "${name}"`, {
    hint: names === "" ? "none is declared; a port is named by its path" : `there are: ${names}`,
  });
}

function readListen(text: string | undefined): { readonly host: string; readonly port: number } {
  if (text === undefined) return { host: "127.0.0.1", port: 0 };
  const [, bracketed, plainHost, digits] =
    /^(?:(?:\[([0-9a-fA-F:.%]+)\]|([^\s:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits !== undefined && port <= 65_535) return { host: bracketed ?? plainHost ?? "127.0.0.1", port };
  throw new TetherError("usage", `${text}: not a [HOST:]PORT`, {
    hint: "127.0.0.1:2217; port 0 is any free one",
  });
}
