import { TetherError } from "../../protocol/errors.ts";

/**
 * The serial port's native addon, loaded when the first port is wanted: an agent without serial devices
 * neither pays for it nor fails by its absence.
 *
 * @throws TetherError `device-failed` when it cannot be loaded.
 */
export async function loadSerialPort() {
  try {
    const { SerialPort } = await import("serialport");
    return SerialPort.binding;
  } catch (thrown) {
    const [line] = String(thrown instanceof Error ? thrown.message : thrown).split("\n");
    throw new TetherError("device-failed", `the serial port module cannot be loaded: ${line}`, {
      hint: "its addon for this processor has to lie beside the program: install the whole package again",
      cause: thrown,
    });
  }
}
