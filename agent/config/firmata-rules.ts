import type { BoardDraft, PinDraft } from "./firmata-table.ts";
import type { Reading } from "./reading.ts";
import { checkOnce } from "./relations.ts";

/** Checks what holds between the keys of a board's pins. */
export function checkFirmata({ pins }: BoardDraft, path: string, reading: Reading): void {
  const taken = new Map<string, string>();
  for (const [name, pin] of Object.entries(pins)) {
    const at = `${path}.pins.${name}`;
    checkName(name, at, reading);
    if (pin.pin !== undefined) checkOnce(taken, pin.pin, `${at}.pin`, `is ${pin.pin}`, reading);
    checkPin(pin, at, reading);
  }
}

function checkName(name: string, path: string, reading: Reading): void {
  if (name === "state") {
    const says = "would take the place of the device's own topic devices/NAME/state, allowed: another name";
    reading.mistake(path, says, "key");
  } else if (name === "message") {
    reading.mistake(path, "would take the place of what the board says, allowed: another name", "key");
  } else if (/^A?[0-9]+$/.test(name)) {
    reading.mistake(path, "looks like the pin itself, allowed: another name", "key");
  }
}

function checkPin(pin: PinDraft, path: string, reading: Reading): void {
  const { mode, scale, initial, minPulse, maxPulse } = pin;
  if (mode === undefined) return;
  const foreign = (keys: readonly string[], goes: string) => {
    for (const key of keys) {
      if (!reading.has(`${path}.${key}`)) continue;
      reading.mistake(`${path}.${key}`, `does not go with mode ${mode}, allowed: mode ${goes}`, "key");
    }
  };
  const isDigital = mode === "input" || mode === "pullup" || mode === "output";
  const isInput = mode === "input" || mode === "pullup" || mode === "analog";
  if (!isDigital) foreign(["invert"], "input pullup output");
  if (mode !== "analog" && mode !== "pwm") foreign(["scale", "offset"], "analog pwm");
  if (mode !== "servo") foreign(["minPulse", "maxPulse"], "servo");
  if (isInput) foreign(["initial"], "output pwm servo");
  else foreign(["unit", "deviceClass"], "input pullup analog");
  if (scale === 0) reading.mistake(`${path}.scale`, "is 0, allowed: any other number");
  if (initial !== undefined && !isInput && !isInitial(initial, isDigital)) {
    const allowed = isDigital ? "true or false" : "a number";
    reading.mistake(`${path}.initial`, `is ${JSON.stringify(initial)}, allowed: ${allowed}`);
  }
  if (mode !== "servo") return;
  if ((minPulse === undefined) !== (maxPulse === undefined)) {
    const key = minPulse === undefined ? "maxPulse" : "minPulse";
    reading.mistake(`${path}.${key}`, "is given alone, allowed: minPulse and maxPulse together", "key");
  } else if (minPulse !== undefined && maxPulse !== undefined && minPulse >= maxPulse) {
    reading.mistake(`${path}.minPulse`, `is ${minPulse}, allowed: less than the maxPulse of ${maxPulse}`);
  }
}

function isInitial(initial: string | number | boolean, isDigital: boolean): boolean {
  return isDigital
    ? typeof initial === "boolean" || initial === 0 || initial === 1
    : typeof initial === "number";
}
