import { OPTION } from "./options.ts";
import type { ComPortInputs, ComPortOutputs, ComPortSettings } from "./port-control.ts";
import { encodeSubnegotiation } from "./telnet.ts";

/** Commands from client to access server (RFC 2217 §2 to §5); from access server to client they are 100 more. */
export const COMMAND = {
  signature: 0,
  setBaudRate: 1,
  setDataSize: 2,
  setParity: 3,
  setStopSize: 4,
  setControl: 5,
  notifyLineState: 6,
  notifyModemState: 7,
  suspend: 8,
  resume: 9,
  setLineStateMask: 10,
  setModemStateMask: 11,
  purgeData: 12,
} as const;

const TO_CLIENT = 100;

/** RFC 2217 §2, SET-PARITY: the index is the value. */
const PARITIES = [undefined, "none", "odd", "even", "mark", "space"] as const;
/** RFC 2217 §2, SET-STOPSIZE. */
const STOP_SIZES = [undefined, 1, 2, 1.5] as const;
/** RFC 2217 §3, SET-CONTROL 1 to 3, and 13 more for the inbound direction. */
const FLOWS = [undefined, "none", "software", "hardware"] as const;
const INBOUND = 13;

/** NOTIFY-LINESTATE (RFC 2217 §4). */
export const LINE_STATE = { overrun: 2, transmitterEmpty: 64 + 32 } as const;
/** NOTIFY-MODEMSTATE (RFC 2217 §4): the line's own bit, and the one that says that it has changed. */
const MODEM_STATE = {
  dcd: { now: 128, changed: 8 },
  dsr: { now: 32, changed: 2 },
  cts: { now: 16, changed: 1 },
} as const;

/** A command of the access server, with its parameters. */
export function encodeCommand(command: number, parameters: Buffer): Buffer {
  return encodeSubnegotiation(OPTION.comPort, Buffer.concat([Buffer.of(TO_CLIENT + command), parameters]));
}

/** What a client asks of one of the port's settings. */
export interface SettingRequest {
  /** The change; undefined where the client only asks for the value, or gives one that the standard has not. */
  readonly change: Partial<ComPortSettings> | undefined;
  /** The answer, as the settings are then. */
  answer(settings: ComPortSettings): Buffer;
}

/** Reads SET-BAUDRATE to SET-STOPSIZE (RFC 2217 §2); undefined for any other command, or one without a value. */
export function readSetting(command: number, parameters: Buffer): SettingRequest | undefined {
  const [value] = parameters;
  if (value === undefined) return undefined;
  switch (command) {
    case COMMAND.setBaudRate: {
      if (parameters.length < 4) return undefined;
      const baudRate = parameters.readUInt32BE(0);
      return {
        change: baudRate === 0 ? undefined : { baudRate },
        answer(settings) {
          const rate = Buffer.alloc(4);
          rate.writeUInt32BE(settings.baudRate);
          return encodeCommand(command, rate);
        },
      };
    }
    case COMMAND.setDataSize:
      return {
        change: value === 5 || value === 6 || value === 7 || value === 8 ? { dataBits: value } : undefined,
        answer: ({ dataBits }) => encodeCommand(command, Buffer.of(dataBits)),
      };
    case COMMAND.setParity: {
      const parity = PARITIES[value];
      return {
        change: parity && { parity },
        answer: (settings) => encodeCommand(command, Buffer.of(PARITIES.indexOf(settings.parity))),
      };
    }
    case COMMAND.setStopSize: {
      const stopBits = STOP_SIZES[value];
      return {
        change: stopBits && { stopBits },
        answer: (settings) => encodeCommand(command, Buffer.of(STOP_SIZES.indexOf(settings.stopBits))),
      };
    }
    default:
      return undefined;
  }
}

/**
 * Reads what SET-CONTROL (RFC 2217 §3) asks of the flow control; undefined where it is about a line. One setting
 * serves both directions; flow control by DCD, DTR or DSR is answered with the one in force.
 */
export function readFlowControl(value: number): SettingRequest | undefined {
  const inbound = (value >= INBOUND && value <= INBOUND + 3) || value === 18;
  const outbound = value <= 3 || value === 17 || value === 19;
  if (!inbound && !outbound) return undefined;
  const flowControl = FLOWS[inbound ? value - INBOUND : value];
  return {
    change: flowControl && { flowControl },
    answer: (settings) =>
      encodeCommand(
        COMMAND.setControl,
        Buffer.of(FLOWS.indexOf(settings.flowControl) + (inbound ? INBOUND : 0)),
      ),
  };
}

/** SET-CONTROL 4 to 12 (RFC 2217 §3): for each line the question, then on, then off. */
const LINE_CONTROLS = { break: 4, dtr: 7, rts: 10 } as const;

/** What a client asks of a line. */
export interface LineRequest {
  /** Undefined where the client only asks how it stands. */
  readonly change: ComPortOutputs | undefined;
  /** The answer, as the lines are then. */
  answer(lines: Required<ComPortOutputs>): Buffer;
}

/** Reads what SET-CONTROL asks of BREAK, DTR or RTS; undefined where it is about something else. */
export function readLine(value: number): LineRequest | undefined {
  for (const line of ["break", "dtr", "rts"] as const) {
    const question = LINE_CONTROLS[line];
    if (value < question || value > question + 2) continue;
    return {
      change: value === question ? undefined : { [line]: value === question + 1 },
      answer: (lines) => encodeCommand(COMMAND.setControl, Buffer.of(question + (lines[line] ? 1 : 2))),
    };
  }
  return undefined;
}

/** The value of NOTIFY-MODEMSTATE: how the lines are, and which are not as they were `before`. */
export function modemState(lines: ComPortInputs, before: ComPortInputs | undefined): number {
  let value = 0;
  for (const line of ["dcd", "dsr", "cts"] as const) {
    if (lines[line]) value |= MODEM_STATE[line].now;
    if (before !== undefined && before[line] !== lines[line]) value |= MODEM_STATE[line].changed;
  }
  return value;
}
