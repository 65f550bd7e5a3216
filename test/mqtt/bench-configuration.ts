/** The simulated bench board as the tests of MQTT declare it. */
export function benchDevice(
  name = "bench",
  changes: { readonly every?: string; readonly readings?: object } = {},
) {
  const temperature = { command: "temperature", every: changes.every ?? "200ms", unit: "°C" };
  return {
    name,
    serial: { simulate: "bench" },
    commands: {
      led: { send: "LED {state}", expect: "^OK", parameters: { state: { type: "integer" } } },
      isLit: { send: "LED?", expect: "^LED (?<lit>[01])$", result: "lit", type: "integer" },
      temperature: {
        send: "TEMP?",
        expect: "^TEMP (?<celsius>-?[0-9.]+)$",
        result: "celsius",
        type: "number",
      },
    },
    readings: changes.readings ?? { temperature: { ...temperature, deviceClass: "temperature" } },
  };
}
