import type { TestContext } from "node:test";
import {
  type CommandSurroundings,
  Device,
  type DeviceProfile,
  type DeviceResult,
  type DeviceValue,
  GCODE_DEFAULTS,
  type GcodeSettings,
} from "../../firmware-bridge/index.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { TetherError } from "../../protocol/errors.ts";

/** A machine's profile. */
export function machineProfile(changes: Partial<GcodeSettings> = {}): DeviceProfile {
  const dialect = changes.dialect ?? "grbl";
  return {
    name: "cnc",
    port: { kind: "path", path: "/dev/none", baudRate: 115_200 },
    driver: "gcode",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    gcode: {
      ...GCODE_DEFAULTS,
      dialect,
      lineLength: GCODE_DEFAULTS.lineLength[dialect],
      poll: 100,
      ...changes,
    },
    commands: {},
    readings: {},
  };
}

/** A machine that is driven as the agent does it, with files of the test's. */
export class Machine {
  readonly device: Device;
  readonly files = new Map<string, string | Uint8Array>();
  readonly progress: { done: number; total?: number; note?: string }[] = [];

  constructor(t: TestContext, profile: DeviceProfile, port?: Port) {
    const log = { info() {}, warn() {} };
    this.device = new Device(profile, { log, now: Date.now, ...(port && { port }) });
    t.after(() => this.device.stop());
  }

  async call(
    name: string,
    args: { readonly [name: string]: unknown } = {},
    { signal = new AbortController().signal, caller = "laptop" } = {},
  ): Promise<DeviceResult> {
    const command = this.device.commands.find((candidate) => candidate.name === name);
    if (!command) throw new Error(`there is no command ${name}`);
    return await command.run(args, signal, this.#surroundings(caller));
  }

  reading(name: string): DeviceValue | undefined {
    return this.device.readings.find((reading) => reading.name === name)?.value;
  }

  #surroundings(caller: string): CommandSurroundings {
    return {
      caller,
      progress: (step) => this.progress.push({ ...step }),
      files: {
        open: async (path) => {
          const content = this.files.get(path);
          if (content === undefined) throw new TetherError("not-found", `there is no ${path}`);
          const bytes = Buffer.from(content as string);
          return {
            size: bytes.length,
            async *pieces() {
              for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
            },
            close: async () => {},
          };
        },
        save: async () => {},
      },
    };
  }
}
