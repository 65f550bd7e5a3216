/**
 * Finds every agent on the network and, on the paired ones that have a board called `bench`, switches its LED on
 * while the room is too cold.
 */
import { connect, discover } from "tether";

const COMFORTABLE = 20;

for (const { name, id } of await discover({ timeout: 1_000 })) {
  const agent = await connect(id).catch(() => undefined);
  if (agent === undefined) {
    console.log(`${name}: not paired`);
    continue;
  }
  try {
    const celsius = Number(await agent.call("devices.bench.temperature", [], { timeout: 5_000 }));
    await agent.call("devices.bench.led", [celsius < COMFORTABLE ? 1 : 0]);
    console.log(`${name}: ${celsius} °C`);
  } finally {
    agent.close();
  }
}
