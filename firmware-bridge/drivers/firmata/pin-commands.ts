import { TetherError } from "../../../protocol/errors.ts";
import type { JsonSchema } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import { type BoardDoor, type Make, NOTHING, PIN } from "./command.ts";
import { SERVO, servoValue } from "./named-pins.ts";
import { PIN_MODES } from "./settings.ts";

/** The commands that take any pin, in the words of Arduino. */
export function pinCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
  const value: JsonSchema = { type: "integer", minimum: 0 };
  return [
    command(
      "pinMode",
      "Sets what a pin is.",
      { pin: PIN, mode: { type: "string", enum: [...PIN_MODES] } },
      NOTHING,
      async (board, { pin, mode }, signal) => {
        await pins.setMode(board, pin, mode, signal);
        return null;
      },
    ),
    command(
      "digitalWrite",
      "Sets an output on or off.",
      { pin: PIN, value: { type: ["boolean", "integer"], enum: [true, false, 1, 0] } },
      NOTHING,
      async (board, args, signal) => {
        await pins.write(board, args.pin, "output", Number(args.value), signal);
        return null;
      },
    ),
    command(
      "digitalRead",
      "Reads an input, or what an output was set to.",
      { pin: PIN },
      { type: "boolean" },
      async (board, { pin }, signal) => await pins.readDigital(board, pin, signal),
    ),
    command(
      "analogRead",
      "Reads an analog input.",
      { pin: PIN },
      { type: "integer" },
      async (board, { pin }, signal) => await pins.readAnalog(board, pin, signal),
    ),
    command(
      "analogWrite",
      "Sets the duty of a PWM output.",
      { pin: PIN, value: { ...value, description: "from 0 to what its resolution allows, mostly 255" } },
      NOTHING,
      async (board, args, signal) => {
        const table = board.facts.pins;
        const largest = table.largest(table.able(pins.choice(args.pin), "pwm"), "pwm");
        if (Number(args.value) > largest) {
          throw new TetherError(
            "invalid",
            `pin ${args.pin} of ${device}: ${args.value}; allowed: 0 to ${largest}`,
          );
        }
        await pins.write(board, args.pin, "pwm", Number(args.value), signal);
        return null;
      },
    ),
    command(
      "servoWrite",
      "Turns a servo.",
      {
        pin: PIN,
        value: { ...value, description: `0 to ${SERVO.degrees} degrees, above that microseconds` },
      },
      NOTHING,
      async (board, args, signal) => {
        const place = servoValue(Number(args.value), `pin ${args.pin}`);
        await pins.write(board, args.pin, "servo", place, signal);
        return null;
      },
    ),
  ];
}
