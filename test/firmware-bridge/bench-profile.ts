import type { DeviceProfile, PortChoice } from "../../firmware-bridge/index.ts";

/** The bench board as the documentation declares it. */
export function benchProfile(port: PortChoice, changes: Partial<DeviceProfile> = {}): DeviceProfile {
  return {
    name: "bench",
    port,
    driver: "line",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    commands: {
      ping: { send: "PING", expect: "^PONG$", parameters: {} },
      led: {
        send: "LED {state}",
        expect: "^OK",
        parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
      },
      ledState: {
        send: "LED?",
        expect: "^LED (?<state>[01])$",
        parameters: {},
        result: "state",
        type: "boolean",
      },
      temperature: {
        send: "TEMP?",
        expect: "^TEMP (?<celsius>-?[0-9.]+)$",
        parameters: {},
        result: "celsius",
        type: "number",
      },
      press: { send: "PRESS", expect: "^OK", parameters: {} },
      say: { send: "SAY {text}", expect: "^ERR unknown$", parameters: { text: { type: "string" } } },
    },
    readings: {
      button: { source: { kind: "match", match: "^BTN (?<n>[0-9]+)$", result: "n" }, type: "integer" },
    },
    ...changes,
  };
}
