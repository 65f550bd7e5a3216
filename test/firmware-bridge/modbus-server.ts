import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { DeviceProfile, ModbusSettings } from "../../firmware-bridge/index.ts";
import { PYTHON } from "../peers.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";

const SCRIPT = join(import.meta.dirname, "modbus-server.py");

/** A bus with units 1 to 3 by pymodbus, until the test ends; gives its port. Needs the peers `pymodbus` and `socat`. */
export async function startModbusServer(
  t: TestContext,
  late: { readonly share: number; readonly seconds: number } = { share: 0, seconds: 0 },
): Promise<string> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  const args = [SCRIPT, terminal.boardPath, String(late.share), String(late.seconds)];
  const child = spawn(PYTHON, args, { stdio: ["ignore", "pipe", "pipe"] });
  const gone = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await gone;
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (chunk) => String(chunk).includes("ready") && resolve());
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.once("exit", (code) => reject(new Error(`the Modbus server ended with ${code}: ${said}`)));
  });
  return terminal.path;
}

/** A bus on a port, with what the configuration gives unless it says otherwise. */
export function modbusProfile(path: string, changes: Partial<ModbusSettings> = {}): DeviceProfile {
  return {
    name: "meter",
    port: { kind: "path", path, baudRate: 115_200 },
    driver: "modbus",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    commands: {},
    readings: {},
    modbus: {
      unitId: 1,
      timeout: 1_000,
      retries: 1,
      writeRetries: 0,
      gap: 8,
      echo: false,
      registers: {},
      ...changes,
    },
  };
}
