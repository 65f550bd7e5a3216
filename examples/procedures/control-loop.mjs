// A thermostat: a loop that runs in the agent and goes on whatever the laptop's network does to a single step.
// It needs a device `bench` with the commands `temperature` and `led`, the LED standing for the heater:
// examples/devices/bench.yaml has it.
//
//   tether call control.thermostat 21              until Ctrl-C, a line a step
//   tether call control.thermostat 21 0.5 1 60     half a degree of hysteresis, every second, 60 steps
import { setTimeout } from "node:timers/promises";
import { procedure } from "tether/procedure";

export const procedures = [
  procedure({
    name: "control.thermostat",
    summary: "Keeps a temperature by switching a heater; yields each step. The heater is off at the end.",
    parameters: {
      target: { type: "number", description: "°C" },
      hysteresis: { type: "number", minimum: 0, default: 0.5, description: "°C" },
      every: { type: "number", minimum: 0.01, default: 5, description: "seconds between two steps" },
      steps: { type: "integer", minimum: 0, default: 0, description: "0: until it is cancelled" },
    },
    async *run({ target, hysteresis, every, steps }, { devices, signal, log }) {
      const { temperature, led } = devices.bench;
      let heating = false;
      try {
        for (let step = 1; steps === 0 || step <= steps; step++) {
          const celsius = await temperature();
          const wanted = heating ? celsius < target + hysteresis : celsius < target - hysteresis;
          if (wanted !== heating) {
            await led(wanted ? 1 : 0);
            log(`heater ${wanted ? "on" : "off"} at ${celsius} °C`);
            heating = wanted;
          }
          yield { step, celsius, heating };
          if (step !== steps) await setTimeout(every * 1000, undefined, { signal });
        }
      } finally {
        // Also when it was cancelled: there are a few hundred milliseconds left for this.
        await led(0);
      }
    },
  }),
];
