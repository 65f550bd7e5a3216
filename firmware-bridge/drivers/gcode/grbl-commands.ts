import { setTimeout as delay } from "node:timers/promises";
import { TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import type { DeviceRecord } from "../../value.ts";
import type { ReadingDeclaration } from "../driver.ts";
import { ask } from "./ask.ts";
import { AXES, grblSetting } from "./grbl-answers.ts";
import type { GrblMachine } from "./grbl-machine.ts";
import type { MachineCommand } from "./machine.ts";

/** Real-time overrides ("Grbl v1.1 Commands"): which of the three in a status, and the byte for each step. */
const FEED = { place: 0, steps: { 0: 0x90, 10: 0x91, [-10]: 0x92, 1: 0x93, [-1]: 0x94 } } as const;
const SPINDLE = { place: 2, steps: { 0: 0x99, 10: 0x9a, [-10]: 0x9b, 1: 0x9c, [-1]: 0x9d } } as const;
const RAPID: { readonly [percent: number]: number } = { 100: 0x95, 50: 0x96, 25: 0x97 };

const PERCENT = { type: "integer", minimum: 10, maximum: 200, description: "percent of the program's" };

/** Readings of a Grbl with so many axes. */
export function grblReadings(axes: number): ReadingDeclaration[] {
  const names = AXES.slice(0, axes);
  return [
    { name: "machine", type: "string" },
    { name: "alarm", type: "string" },
    { name: "message", type: "string" },
    ...names.map((axis) => ({ name: `machine${axis}`, type: "number" }) as const),
    ...names.map((axis) => ({ name: `work${axis}`, type: "number" }) as const),
    { name: "feed", type: "number" },
    { name: "spindle", type: "number" },
    { name: "feedOverride", type: "integer", unit: "%" },
    { name: "rapidOverride", type: "integer", unit: "%" },
    { name: "spindleOverride", type: "integer", unit: "%" },
    { name: "pins", type: "string" },
  ];
}

/** What a Grbl has besides streaming; `machine` gives the one that is there, or throws. */
export function grblCommands(machine: () => GrblMachine): MachineCommand[] {
  const axis = { type: "number", default: 0 };
  return [
    {
      name: "home",
      summary: "Homes the machine ($H).",
      parameters: {},
      result: { type: "null" },
      duringJob: false,
      resets: true,
      run: async (_args, signal) => {
        if (machine().needsReset) await machine().reset();
        await ask(machine().flow, "$H", signal, GCODE.homing);
        return null;
      },
    },
    {
      name: "unlock",
      summary: "Ends an alarm without homing ($X), by a reset before where it takes one.",
      parameters: {},
      result: { type: "null" },
      duringJob: false,
      resets: true,
      run: async (_args, signal) => {
        if (machine().needsReset) await machine().reset();
        await ask(machine().flow, "$X", signal);
        return null;
      },
    },
    {
      name: "jog",
      summary: "Moves by so many millimetres from where it is ($J=); `stop` and `hold` end it.",
      parameters: {
        x: axis,
        y: axis,
        z: axis,
        feed: { type: "number", minimum: 0.001, default: 500, description: "millimetres a minute" },
      },
      result: { type: "null" },
      duringJob: false,
      run: async (args, signal) => {
        await ask(machine().flow, jogLine(args), signal);
        return null;
      },
    },
    {
      name: "settings",
      summary: "The machine's settings ($$), by name.",
      parameters: {},
      result: { type: "object" },
      duringJob: false,
      run: async (_args, signal) => {
        const lines = await ask(machine().flow, "$$", signal);
        return Object.fromEntries(lines.flatMap((line) => [grblSetting(line) ?? []]).filter(isPair));
      },
    },
    {
      name: "feed",
      summary: "Sets the feed override, also while it moves.",
      parameters: { percent: PERCENT },
      result: { type: "integer" },
      duringJob: true,
      run: ({ percent }, signal) => override(machine(), FEED, Number(percent), signal),
    },
    {
      name: "spindle",
      summary: "Sets the override of the spindle's speed, also while it moves.",
      parameters: { percent: PERCENT },
      result: { type: "integer" },
      duringJob: true,
      run: ({ percent }, signal) => override(machine(), SPINDLE, Number(percent), signal),
    },
    {
      name: "rapid",
      summary: "Sets the override of rapid moves, also while it moves.",
      parameters: { percent: { type: "integer", enum: [25, 50, 100] } },
      result: { type: "integer" },
      duringJob: true,
      run: async ({ percent }, signal) => {
        const wanted = Number(percent);
        machine().realtime(RAPID[wanted] ?? 0x95);
        if (await becomes(machine(), 1, wanted, signal)) return wanted;
        throw notSet(machine().overrides?.[1], wanted);
      },
    },
  ];
}

function isPair(entry: readonly unknown[]): entry is [string, DeviceRecord[string]] {
  return entry.length === 2;
}

function jogLine(args: { readonly [name: string]: unknown }): string {
  const words = ["x", "y", "z"].flatMap((axis) => {
    const distance = Number(args[axis] ?? 0);
    return distance === 0 ? [] : [`${axis.toUpperCase()}${decimal(distance)}`];
  });
  if (words.length === 0) throw new TetherError("invalid", "jog has no distance, allowed: any of x, y, z");
  return `$J=G91G21${words.join("")}F${decimal(Number(args.feed ?? 500))}`;
}

/** As a machine reads it: never with an exponent. */
export function decimal(value: number): string {
  return value.toFixed(3).replace(/\.?0+$/, "");
}

/**
 * Steps an override to so many percent. A Grbl keeps only one of equal steps that come between two looks at them,
 * so each is seen to have been done before the next.
 */
async function override(
  machine: GrblMachine,
  { place, steps }: typeof FEED | typeof SPINDLE,
  percent: number,
  signal: AbortSignal,
): Promise<number> {
  // What it is now may not have been said yet; from 100 on it is known.
  let now = machine.overrides?.[place];
  for (let tries = 0; tries < GCODE.overrideSteps && now !== percent; tries++) {
    const left = now === undefined ? 0 : percent - now;
    const step = left === 0 ? 0 : Math.abs(left) >= 10 ? (left > 0 ? 10 : -10) : left > 0 ? 1 : -1;
    machine.realtime(steps[step]);
    // Reports have the overrides now and then, and right after a change.
    const before = now;
    for (let looks = 0; looks < GCODE.overrideLooks; looks++) {
      await machine.status(signal);
      now = machine.overrides?.[place];
      if (now !== before) break;
      await delay(GCODE.overridePause, undefined, { signal });
    }
  }
  if (now !== percent) throw notSet(now, percent);
  return percent;
}

/** Looks until an override is so many percent; false when it does not become that. */
async function becomes(
  machine: GrblMachine,
  place: number,
  percent: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (let looks = 0; looks < GCODE.overrideLooks; looks++) {
    await machine.status(signal);
    if (machine.overrides?.[place] === percent) return true;
    await delay(GCODE.overridePause, undefined, { signal });
  }
  return false;
}

function notSet(now: number | undefined, percent: number): TetherError {
  return new TetherError("device-failed", `the override is ${now ?? "unknown"} percent, not ${percent}`);
}
