import {
  FRAMES_DEFAULTS,
  LINE_CHECKSUMS,
  LINE_DEFAULTS,
  MICROPYTHON_DEFAULTS,
  PORT_POLICY,
  SERIAL_DEFAULTS,
} from "../../firmware-bridge/index.ts";
import { CONFIGURATION, SERIAL } from "../../protocol/index.ts";
import { FIRMATA_SECTION } from "./firmata-table.ts";
import { FLASH_SECTION } from "./flash-table.ts";
import { GCODE } from "./gcode-table.ts";
import { MODBUS_SECTION } from "./modbus-table.ts";
import { formatDuration } from "./quantities.ts";
import {
  boolean,
  choice,
  duration,
  durationKey,
  group,
  integer,
  list,
  map,
  mapKey,
  number,
  numeral,
  optional,
  plain,
  required,
  section,
  standard,
  text,
} from "./shapes.ts";
import {
  absolutePath,
  escapedText,
  expression,
  MEMBER_NAME,
  memberName,
  PARAMETER_NAME,
  punctuation,
  sentence,
  usbNumber,
} from "./texts.ts";

/** Every driver there is or will be; which of them this version has, the bridge says. */
const DRIVER_NAMES = ["line", "gcode", "firmata", "modbus", "micropython", "frames", "raw"] as const;

/** Milliseconds between two polls of a reading unless it says otherwise. */
export const POLL_INTERVAL = 10_000;

const TYPES = ["integer", "number", "string", "boolean"] as const;

/** Milliseconds within which an answer may have to come. */
const ANSWER_TIME = [10, 600_000] as const;

const PARAMETER = {
  type: standard(choice(TYPES), "string", "string"),
  minimum: optional(number()),
  maximum: optional(number()),
  enum: optional(list(plain(), 1, CONFIGURATION.members)),
  maxLength: optional(integer(0, SERIAL.unit)),
  pattern: optional(expression("u")),
  quote: optional(choice(['"', "'"])),
  escape: standard(choice(["none", "double", "backslash"]), "none", "none"),
  description: optional(sentence()),
  default: optional(plain(), "none: it must be given"),
};

const COMMAND = {
  send: required(text({ shortest: 0 })),
  expect: optional(expression(), "no answer is awaited"),
  lines: optional(integer(1, SERIAL.answerLines), "one line, not in an array"),
  until: optional(expression()),
  error: optional(expression()),
  parameters: mapKey(map(PARAMETER_NAME, group(PARAMETER), CONFIGURATION.members)),
  result: optional(text({ longest: 64 }), "the whole line"),
  type: optional(choice(TYPES), "string"),
  fields: optional(map(PARAMETER_NAME, choice(TYPES), CONFIGURATION.members)),
  timeout: optional(duration(...ANSWER_TIME), "the device's"),
  summary: optional(sentence()),
};

/** Milliseconds between two values, or without one: up to a day. */
const PERIOD = [10, 86_400_000] as const;

const READING = {
  command: optional(text(MEMBER_NAME)),
  every: optional(duration(100, 86_400_000), formatDuration(POLL_INTERVAL)),
  match: optional(expression()),
  result: optional(text({ longest: 64 }), "the whole line"),
  type: optional(choice(TYPES), "the command's, else string"),
  scale: optional(number(), "1"),
  offset: optional(number(), "0"),
  deadband: optional(number(0), "every value is told"),
  minInterval: optional(duration(...PERIOD), "every value is told"),
  staleAfter: optional(duration(...PERIOD), "after three polls that failed"),
  unit: optional(sentence()),
  deviceClass: optional(
    text({ allowed: "a device class of Home Assistant, as temperature", pattern: /^[a-z0-9_]{1,64}$/ }),
  ),
};

const SERIAL_PORT = {
  path: optional(absolutePath()),
  match: optional(
    group({
      vendorId: optional(usbNumber(), "any"),
      productId: optional(usbNumber(), "any"),
      serialNumber: optional(
        text({
          allowed: "text of 1 to 256 characters; an empty one matches nothing",
          longest: 256,
          digits: true,
        }),
        "any",
      ),
    }),
  ),
  simulate: optional(text()),
  baudRate: standard(integer(50, 12_000_000), SERIAL_DEFAULTS.baudRate),
  dataBits: optional(numeral([5, 6, 7, 8]), String(SERIAL_DEFAULTS.dataBits)),
  parity: optional(choice(["none", "even", "odd"]), SERIAL_DEFAULTS.parity),
  stopBits: optional(numeral([1, 2]), String(SERIAL_DEFAULTS.stopBits)),
  flowControl: optional(choice(["none", "hardware", "software"]), SERIAL_DEFAULTS.flowControl),
  dtr: optional(choice(["on", "off", "leave"]), PORT_POLICY.dtr),
  rts: optional(choice(["on", "off", "leave"]), PORT_POLICY.rts),
  reopen: optional(boolean(), String(PORT_POLICY.reopen)),
};

/** The keys of one device. */
export const DEVICE = {
  name: required(memberName()),
  serial: required(group(SERIAL_PORT)),
  driver: standard(choice(DRIVER_NAMES), "line", "line"),
  line: section({
    terminator: standard<string>(escapedText(16), LINE_DEFAULTS.terminator),
    timeout: durationKey(...ANSWER_TIME, LINE_DEFAULTS.timeout),
    separators: standard<string>(punctuation(16), LINE_DEFAULTS.separators, "none"),
    prompt: optional(escapedText(32)),
    checksum: optional(choice(LINE_CHECKSUMS)),
    echo: optional(boolean(), "false"),
  }),
  gcode: section(GCODE),
  commands: mapKey(map(MEMBER_NAME, group(COMMAND), CONFIGURATION.members)),
  readings: mapKey(map(MEMBER_NAME, group(READING), CONFIGURATION.members)),
  firmata: FIRMATA_SECTION,
  modbus: MODBUS_SECTION,
  flash: optional(group(FLASH_SECTION), "as the file says"),
  micropython: section({ timeout: durationKey(...ANSWER_TIME, MICROPYTHON_DEFAULTS.timeout) }),
  frames: section({ timeout: durationKey(...ANSWER_TIME, FRAMES_DEFAULTS.timeout) }),
};
