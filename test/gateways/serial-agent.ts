import { type AgentProcess, type Owner, startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { freePorts } from "../free-port.ts";

/** An agent with a device on a pseudo-terminal and gateways to it; needs the peer `socat`. */
export interface SerialAgent {
  readonly agent: AgentProcess;
  readonly terminal: PseudoTerminal;
  readonly rfc2217: number;
  readonly serial: number;
}

export interface SerialAgentOptions {
  /** Keys of the gateway `rfc2217`, and of `serial`. */
  readonly rfc2217?: { readonly [key: string]: unknown };
  readonly serial?: { readonly [key: string]: unknown };
  /** Port of the native wire, for an agent that is started again; any free one unless given. */
  readonly port?: number;
}

/** Starts one; its device `bench` has driver `raw`. */
export async function startSerialAgent(owner: Owner, options: SerialAgentOptions = {}): Promise<SerialAgent> {
  const terminal = await PseudoTerminal.create();
  owner.after(() => terminal.remove());
  await terminal.plug();
  const [rfc2217 = 0, serial = 0] = await freePorts(2);
  const agent = await startAgent(owner, {
    configuration: {
      listen: { host: "127.0.0.1", port: options.port ?? 0 },
      devices: [{ name: "bench", serial: { path: terminal.path }, driver: "raw" }],
      gateways: [
        { kind: "rfc2217", port: rfc2217, device: "bench", ...options.rfc2217 },
        { kind: "serial", port: serial, device: "bench", ...options.serial },
      ],
    },
  });
  return { agent, terminal, rfc2217, serial };
}
