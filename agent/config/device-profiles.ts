import type {
  CommandProfile,
  DeviceProfile,
  ParameterProfile,
  PortChoice,
  ReadingProfile,
  ReadingTuning,
} from "../../firmware-bridge/index.ts";
import { POLL_INTERVAL } from "./device-table.ts";
import { toFirmata } from "./firmata-table.ts";
import { toFlash } from "./flash-table.ts";
import { toGcode } from "./gcode-table.ts";
import { toModbus } from "./modbus-table.ts";
import { present } from "./present.ts";
import type { Draft } from "./table.ts";

type DeviceDraft = Draft["devices"][number];
type CommandDraft = DeviceDraft["commands"][string];
type ParameterDraft = CommandDraft["parameters"][string];
type ReadingDraft = DeviceDraft["readings"][string];
type SerialDraft = NonNullable<DeviceDraft["serial"]>;

/** The devices as the firmware bridge takes them; one that is incomplete is left out. */
export function toDevices(drafts: Draft["devices"]): DeviceProfile[] {
  return drafts.flatMap(
    ({
      name,
      serial,
      driver,
      line,
      gcode,
      commands,
      readings,
      firmata,
      modbus,
      micropython,
      frames,
      flash,
    }) => {
      const port = serial === undefined ? undefined : toPort(serial);
      if (name === undefined || port === undefined) return [];
      return [
        {
          name,
          port,
          driver,
          line: present(line),
          ...(driver === "gcode" && { gcode: toGcode(gcode) }),
          commands: mapped(commands, toCommand),
          readings: mapped(readings, toReading),
          ...tuningOf(readings),
          ...(driver === "firmata" && { firmata: toFirmata(firmata) }),
          ...(driver === "modbus" && { modbus: toModbus(modbus) }),
          ...(driver === "micropython" && { micropython }),
          ...(driver === "frames" && { frames }),
          ...(flash !== undefined && { flash: toFlash(flash) }),
        },
      ];
    },
  );
}

function toPort({ path, match, simulate, baudRate, ...rest }: SerialDraft): PortChoice | undefined {
  const options = { baudRate, ...present(rest) };
  if (path !== undefined) return { kind: "path", path, ...options };
  if (match !== undefined) return { kind: "match", ...present(match), ...options };
  return simulate === undefined ? undefined : { kind: "simulate", what: simulate, ...options };
}

function toCommand({ send, parameters, ...rest }: CommandDraft): CommandProfile | undefined {
  if (send === undefined) return undefined;
  return { send, parameters: mapped(parameters, toParameter), ...present(rest) };
}

/** How a quote is escaped says something only where there is one. */
function toParameter({ escape: inside, ...schema }: ParameterDraft): ParameterProfile {
  return { ...present(schema), ...(schema.quote !== undefined && { escape: inside }) };
}

function tuningOf(readings: DeviceDraft["readings"]): Pick<DeviceProfile, "tuning"> {
  const tuning = mapped(readings, toTuning);
  return Object.keys(tuning).length === 0 ? {} : { tuning };
}

/** What is done with the values; where the driver itself has the reading, that is all. */
function toTuning(draft: ReadingDraft): ReadingTuning | undefined {
  const { scale, offset, deadband, minInterval, staleAfter, unit, deviceClass } = draft;
  const isOwn = draft.command === undefined && draft.match === undefined;
  const words = isOwn ? { unit, deviceClass } : {};
  const tuning = present({ scale, offset, deadband, minInterval, staleAfter, ...words });
  return Object.keys(tuning).length === 0 ? undefined : tuning;
}

function toReading(draft: ReadingDraft): ReadingProfile | undefined {
  const { command, every, match, result, type, unit, deviceClass } = draft;
  const rest = { type, unit, deviceClass };
  if (command !== undefined) {
    const source = { kind: "poll", command, every: every ?? POLL_INTERVAL } as const;
    return { source: { ...source, ...present({ field: result }) }, ...present(rest) };
  }
  return match === undefined
    ? undefined
    : { source: { kind: "match", match, ...present({ result }) }, ...present(rest) };
}

function mapped<From, To>(
  from: { readonly [name: string]: From },
  convert: (value: From) => To | undefined,
): { readonly [name: string]: To } {
  const to: { [name: string]: To } = Object.create(null);
  for (const [name, value] of Object.entries(from)) {
    const converted = convert(value);
    if (converted !== undefined) to[name] = converted;
  }
  return to;
}
