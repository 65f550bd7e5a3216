import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const FIRMWARE = join(import.meta.dirname, "../../firmware-bridge/firmware");
const HOST = join(import.meta.dirname, "simavr-host.c");

/** A board, its real firmware in a simulated ATmega328P. */
export interface SimulatedAvr {
  /** A symbolic link to the pseudo-terminal that is its UART. */
  readonly path: string;
  /** Pushes the button on PD2. */
  press(): void;
  /** Resets it, as its button does. */
  reset(): void;
  stop(): Promise<void>;
}

/**
 * Builds firmware and simulator in a folder of their own and starts them; needs the peer `simavr`.
 *
 * @param sources of the firmware, below its folder: the bench board's unless given.
 */
export async function startSimulatedAvr(
  sources: readonly string[] = ["bench/bench.c"],
): Promise<SimulatedAvr> {
  return await simulateAvr(async (elf) => {
    const flags = [
      "-std=c11",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-Os",
      "-mmcu=atmega328p",
      "-DF_CPU=16000000UL",
    ];
    await run("avr-gcc", [...flags, "-o", elf, ...sources.map((source) => join(FIRMWARE, source))]);
  });
}

/** Starts the firmware that `build` puts where it is told; needs the peer `simavr`. */
export async function simulateAvr(build: (elf: string) => Promise<void>): Promise<SimulatedAvr> {
  const folder = await mkdtemp(join(tmpdir(), "tether-simavr-"));
  const [elf, hex, host, path] = ["board.elf", "board.hex", "host", "uart"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  await build(elf);
  await run("avr-objcopy", ["-O", "ihex", "-R", ".eeprom", "-R", ".mmcu", elf, hex]);
  const libraries = ["-lsimavrparts", "-lsimavr", "-lelf", "-lutil", "-lpthread"];
  await run("gcc", ["-O2", "-I/usr/include/simavr", "-o", host, HOST, ...libraries]);

  const child = spawn(host, [hex, path], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = once(child, "exit");
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += chunk;
      if (/^ready$/m.test(said)) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the simulator ended with ${code}: ${said}`)));
  });
  return {
    path,
    press: () => void child.kill("SIGUSR1"),
    reset: () => void child.kill("SIGUSR2"),
    async stop() {
      child.kill("SIGKILL");
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}
