import { TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import type { ReadingDeclaration } from "../driver.ts";
import { ask } from "./ask.ts";
import { decimal } from "./grbl-commands.ts";
import type { MachineCommand } from "./machine.ts";
import type { MarlinMachine } from "./marlin-machine.ts";

/** Readings of a Marlin. */
export const MARLIN_READINGS: readonly ReadingDeclaration[] = [
  { name: "machine", type: "string" },
  { name: "message", type: "string" },
  { name: "workX", type: "number" },
  { name: "workY", type: "number" },
  { name: "workZ", type: "number" },
  { name: "workE", type: "number" },
  ...["hotend", "bed", "chamber"].flatMap((part) => [
    { name: part, type: "number", unit: "°C", deviceClass: "temperature" } as const,
    { name: `${part}Target`, type: "number", unit: "°C", deviceClass: "temperature" } as const,
  ]),
];

/** What a Marlin has besides streaming; `machine` gives the one that is there, or throws. */
export function marlinCommands(machine: () => MarlinMachine): MachineCommand[] {
  const axis = { type: "number", default: 0 };
  return [
    {
      name: "home",
      summary: "Homes the machine (G28).",
      parameters: {},
      result: { type: "null" },
      duringJob: false,
      run: async (_args, signal) => {
        await ask(machine().flow, "G28", signal, GCODE.homing);
        return null;
      },
    },
    {
      name: "jog",
      summary: "Moves by so many millimetres from where it is; positions are absolute (G90) afterwards.",
      parameters: {
        x: axis,
        y: axis,
        z: axis,
        feed: { type: "number", minimum: 0.001, default: 500, description: "millimetres a minute" },
      },
      result: { type: "null" },
      duringJob: false,
      run: async (args, signal) => {
        const words = ["x", "y", "z"].flatMap((name) => {
          const distance = Number(args[name] ?? 0);
          return distance === 0 ? [] : [`${name.toUpperCase()}${decimal(distance)}`];
        });
        if (words.length === 0)
          throw new TetherError("invalid", "jog has no distance, allowed: any of x, y, z");
        const move = `G1 ${words.join(" ")} F${decimal(Number(args.feed ?? 500))}`;
        // Together, so that nobody's line comes in between and counts from elsewhere.
        await Promise.all(["G91", move, "G90"].map((line) => ask(machine().flow, line, signal)));
        return null;
      },
    },
    {
      name: "settings",
      summary: "The machine's settings (M503), line by line.",
      parameters: {},
      result: { type: "array", items: { type: "string" } },
      duringJob: false,
      run: async (_args, signal) => [...(await ask(machine().flow, "M503", signal))],
    },
    {
      name: "feed",
      summary: "Sets the feed override (M220), also during a job.",
      parameters: { percent: { type: "integer", minimum: 10, maximum: 200 } },
      result: { type: "integer" },
      duringJob: true,
      run: async ({ percent }, signal) => {
        await ask(machine().flow, `M220 S${Number(percent)}`, signal);
        return Number(percent);
      },
    },
  ];
}
