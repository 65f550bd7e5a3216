/** The bench board in memory, with a command that it never answers. */
export const BENCH = {
  name: "bench",
  serial: { simulate: "bench" },
  driver: "line",
  line: { timeout: "20s" },
  commands: {
    led: {
      send: "LED {state}",
      expect: "^OK",
      parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
    },
    temperature: {
      send: "TEMP?",
      expect: "^TEMP (?<celsius>-?[0-9.]+)$",
      result: "celsius",
      type: "number",
    },
    silence: { send: "HUSH", expect: "^NEVER$" },
  },
} as const;
