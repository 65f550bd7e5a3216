import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import { LineParser } from "../../framing/lines.ts";
import type { DeviceProfile, GcodeSettings } from "../../profile.ts";
import type { DeviceRecord, DeviceResult } from "../../value.ts";
import type {
  CommandSurroundings,
  Driver,
  DriverCommand,
  DriverPort,
  ReadingDeclaration,
  ReadingSink,
} from "../driver.ts";
import { ask } from "./ask.ts";
import { grblCommands, grblReadings } from "./grbl-commands.ts";
import { GrblMachine } from "./grbl-machine.ts";
import { Job } from "./job.ts";
import type { Machine, MachineCommand, MachineEvents } from "./machine.ts";
import { MARLIN_READINGS, marlinCommands } from "./marlin-commands.ts";
import { MarlinMachine } from "./marlin-machine.ts";
import { checkLine } from "./program.ts";

/**
 * The driver for machines that speak G-code: Grbl 1.1 and Marlin.
 *
 * One job at a time has the machine. It never goes on by itself after the machine was reset or the link was lost.
 *
 * @throws TetherError `invalid` when the profile has no settings for it, or commands and readings of its own
 */
export function createGcodeDriver(profile: DeviceProfile, sink: ReadingSink): Driver {
  const { gcode, commands, readings } = profile;
  if (gcode === undefined) throw new TetherError("invalid", "driver gcode needs gcode settings");
  const [declared] = [...Object.keys(commands), ...Object.keys(readings)];
  if (declared !== undefined) {
    throw new TetherError("invalid", `driver gcode has its own commands and readings, not ${declared}`);
  }
  return new GcodeDriver(profile.name, gcode, sink);
}

const JOB_READINGS: readonly ReadingDeclaration[] = [
  { name: "job", type: "string" },
  { name: "progress", type: "integer", unit: "%" },
];

class GcodeDriver implements Driver {
  readonly commands: readonly DriverCommand[];
  readonly #name: string;
  readonly #settings: GcodeSettings;
  readonly #sink: ReadingSink;
  #port: DriverPort | undefined;
  #machine: Machine | undefined;
  #parser: LineParser | undefined;
  #axes = 3;
  /** The job that has the machine, or had it last. */
  #job: Job | undefined;

  constructor(name: string, settings: GcodeSettings, sink: ReadingSink) {
    this.#name = name;
    this.#settings = settings;
    this.#sink = sink;
    this.commands = [...this.#common(), ...this.#dialectCommands().map((command) => this.#guarded(command))];
  }

  get readings(): readonly ReadingDeclaration[] {
    const own = this.#settings.dialect === "grbl" ? grblReadings(this.#axes) : MARLIN_READINGS;
    // It is asked often, and most of the time nothing has changed.
    return [...own, ...JOB_READINGS].map((reading) => ({ deadband: 0, ...reading }));
  }

  attach(port: DriverPort): void {
    this.#port = port;
    this.#parser = new LineParser({ terminator: "\n" });
    const events: MachineEvents = {
      values: (values) => this.#tell(values),
      redescribed: () => this.#redescribe(),
      silent: (error) => {
        for (const { name } of this.readings) this.#sink.failed(name, error);
      },
      broken: (error) => this.#job?.end(error, false),
    };
    this.#machine =
      this.#settings.dialect === "grbl"
        ? new GrblMachine(this.#settings, port, events)
        : new MarlinMachine(this.#settings, port, events);
    this.#machine.start();
  }

  received(bytes: Uint8Array): void {
    for (const unit of this.#parser?.push(bytes) ?? []) {
      // Noise is what a resetting board says at another rate; the lines around it count.
      if (unit.kind === "line") this.#machine?.heard(unit.text);
    }
  }

  async say(text: string, signal: AbortSignal): Promise<string> {
    return [...(await this.#send(text, signal)), "ok"].join("\n");
  }

  /** The agent lets go of the port: what is under way comes to rest as if its caller were lost. */
  async leave(): Promise<void> {
    await shortly(this.#putDown());
  }

  async #putDown(): Promise<void> {
    const job = this.#job;
    if (job === undefined || !job.isActive || this.#settings.onLost === "continue") return;
    const machine = this.#attached;
    if (this.#settings.onLost === "hold") {
      job.hold("the agent lets go of the machine");
      await machine.beginHold();
    } else {
      job.end(new TetherError("cancelled", "the agent lets go of the machine"));
      await job.finished.catch(() => undefined);
    }
  }

  detach(reason: TetherError): void {
    this.#job?.end(reason, false);
    this.#machine?.end(reason);
    this.#machine = undefined;
    this.#parser = undefined;
  }

  get #attached(): Machine {
    if (this.#machine === undefined) {
      throw new TetherError("device-missing", `${this.#name} is not connected`);
    }
    return this.#machine;
  }

  #dialectCommands(): MachineCommand[] {
    // Only one of the two kinds of machine is ever made.
    return this.#settings.dialect === "grbl"
      ? grblCommands(() => this.#attached as GrblMachine)
      : marlinCommands(() => this.#attached as MarlinMachine);
  }

  #common(): DriverCommand[] {
    const name = this.#name;
    const file = { type: "string", description: "path of a file of the agent's, as `tether ls` shows it" };
    const lines = { type: "array", items: { type: "string" } };
    const object = { type: "object" };
    const nothing = { type: "null" };
    return [
      {
        name: "status",
        summary: `How ${name} is: state, positions, feed, and the job that has it or had it last.`,
        parameters: {},
        result: object,
        run: async (_args, signal) => {
          await this.#attached.greeted(signal);
          return { ...(await this.#attached.status(signal)), ...this.#job?.facts };
        },
      },
      {
        name: "send",
        summary: `Sends one line to ${name} and gives what it says before it is done with it.`,
        parameters: { line: { type: "string" } },
        result: lines,
        run: async ({ line }, signal) => [...(await this.#send(String(line), signal))],
      },
      {
        name: "stream",
        summary: `Streams a file to ${name}, a line at a time as it takes them; ends when it is at rest again.`,
        parameters: { file },
        result: object,
        run: (args, signal, surroundings) => this.#stream(String(args.file), signal, surroundings),
      },
      {
        name: "follow",
        summary: `Waits for the job that has ${name}, whoever began it, and gives what comes of it.`,
        parameters: {},
        result: object,
        run: (_args, signal, surroundings) => this.#follow(signal, surroundings),
      },
      {
        name: "hold",
        summary: `Holds ${name} and its job; \`resume\` goes on.`,
        parameters: {},
        result: nothing,
        run: async (_args, _signal, surroundings) => {
          const machine = this.#attached;
          this.#job?.hold(`held by ${surroundings?.caller ?? "somebody"}`);
          await machine.hold();
          this.#tellJob();
          return null;
        },
      },
      {
        name: "resume",
        summary: `Goes on after a hold of ${name}.`,
        parameters: {},
        result: nothing,
        run: async () => {
          await this.#attached.resume();
          this.#job?.resume();
          this.#tellJob();
          return null;
        },
      },
      {
        name: "stop",
        summary: `Brings ${name} to rest and throws away all that it was to do, its job too.`,
        parameters: {},
        result: nothing,
        run: async (_args, _signal, surroundings) => await this.#stop(surroundings?.caller ?? "somebody"),
      },
    ];
  }

  #guarded(command: MachineCommand): DriverCommand {
    const { name, summary, parameters, result } = command;
    return {
      name,
      summary,
      parameters,
      result,
      run: async (args, signal): Promise<DeviceResult> => {
        if (!command.duringJob) this.#requireFree();
        await this.#attached.greeted(signal);
        if (!command.duringJob) this.#requireFree();
        if (!command.resets) this.#attached.checkTakes();
        return await command.run(args, signal);
      },
    };
  }

  async #send(text: string, signal: AbortSignal): Promise<readonly string[]> {
    const machine = this.#attached;
    checkLine(text, machine.rules);
    this.#requireFree();
    await machine.greeted(signal);
    machine.checkTakes();
    this.#requireFree();
    return await ask(machine.flow, text, signal);
  }

  async #stream(
    file: string,
    signal: AbortSignal,
    surroundings: CommandSurroundings | undefined,
  ): Promise<DeviceResult> {
    if (surroundings === undefined) throw new TetherError("internal", "a stream needs the agent's files");
    signal.throwIfAborted();
    this.#requireFree();
    const { caller, files, progress } = surroundings;
    const job = new Job({ file, by: caller, machine: this.#attached, files });
    // Whoever takes the port has the machine from then on.
    const unclaim = this.#port?.claim?.(`the job ${file} of ${caller}`, (reason) => this.#taken(job, reason));
    this.#job = job;
    this.#tellJob();
    const onAbort = () => void this.#callerGone(job, asTetherError(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    let told = -1;
    const unfollow = job.follow((step) => {
      progress(step);
      if (job.percent === told) return;
      told = job.percent;
      this.#tellJob();
    });
    try {
      void job.run().finally(() => {
        unclaim?.();
        this.#tellJob();
      });
      return await job.finished;
    } finally {
      signal.removeEventListener("abort", onAbort);
      unfollow();
    }
  }

  async #follow(signal: AbortSignal, surroundings: CommandSurroundings | undefined): Promise<DeviceResult> {
    const job = this.#job;
    if (job === undefined) throw new TetherError("not-found", `${this.#name} has had no job`);
    const unfollow = job.follow((step) => surroundings?.progress(step));
    try {
      return await new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(asTetherError(signal.reason)), { once: true });
        job.finished.then(resolve, reject);
      });
    } finally {
      unfollow();
    }
  }

  /** Who streams has given up, or is gone. */
  async #callerGone(job: Job, reason: TetherError): Promise<void> {
    const { onLost } = this.#settings;
    // A caller who says that he gives up, or sets a time, wants the machine to stop.
    const isWanted = reason.code === "cancelled" || reason.code === "timeout";
    if (isWanted) job.end(new TetherError("cancelled", `${job.by} gave it up: ${reason.message}`));
    else if (onLost === "stop")
      job.end(new TetherError("cancelled", `${job.by} was lost: ${reason.message}`));
    else if (onLost === "hold" && job.isActive) {
      job.hold(`${job.by} was lost: ${reason.message}`);
      this.#tellJob();
      await this.#machine?.hold().catch(() => undefined);
    }
  }

  /** Somebody takes the port: what the machine has of the job is held, and only he knows what becomes of it. */
  async #taken(job: Job, reason: TetherError): Promise<void> {
    const held = job.hasStarted && this.#machine?.beginHold();
    job.end(reason, false);
    if (held) await shortly(held);
  }

  async #stop(by: string): Promise<null> {
    const machine = this.#attached;
    const job = this.#job;
    if (job?.isActive !== true) {
      await machine.stop();
      return null;
    }
    job.end(new TetherError("cancelled", `stopped by ${by}`));
    await job.finished.catch(() => undefined);
    this.#tellJob();
    return null;
  }

  /** Throws `busy` while a job has the machine. */
  #requireFree(): void {
    if (this.#job?.isActive !== true) return;
    throw new TetherError("busy", `${this.#name} is taken: ${this.#job.holder}`, {
      hint: "`status`, `hold`, `resume` and `stop` work meanwhile",
    });
  }

  #redescribe(): void {
    const machine = this.#machine;
    if (machine instanceof GrblMachine) this.#axes = machine.axes;
    this.#sink.redescribed();
  }

  #tell(values: DeviceRecord): void {
    for (const [name, value] of Object.entries(values)) this.#sink.value(name, value);
  }

  #tellJob(): void {
    const job = this.#job;
    this.#sink.value("job", job?.state ?? "none");
    this.#sink.value("progress", job?.percent ?? 0);
  }
}

/** Waits for it, but no longer than a machine that does not take what it is sent is waited for. */
async function shortly(act: Promise<void>): Promise<void> {
  const over = new AbortController();
  const patience = delay(GCODE.leave, undefined, { signal: over.signal });
  await Promise.race([act, patience]).catch(() => undefined);
  over.abort();
}
