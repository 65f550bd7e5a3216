import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { createLab } from "../network.ts";
import { missing } from "../peers.ts";

const NODE = [process.execPath, "--import", "tsx"];

test("mDNS names the agent on every interface, and takes the name back", {
  skip: missing("netns"),
}, async () => {
  const lab = await createLab({ pi: ["red", "blue"], red: ["red"], blue: ["blue"] });
  try {
    const pi = lab.host("pi");
    const agent = pi.spawn([...NODE, "test/discovery/mdns-process.ts", "greenhouse", "abcdefghijklmnop"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (agent.stdout) await once(agent.stdout, "data");
    const browse = async (name: string) => {
      const host = lab.host(name);
      const [address = ""] = host.addresses;
      return JSON.parse(
        await host.exec([...NODE, "test/discovery/mdns-browser-process.ts", address]),
      ) as unknown;
    };
    for (const [name, address] of [
      ["red", pi.addresses[0]],
      ["blue", pi.addresses[1]],
    ] as const) {
      const found = (await browse(name)) as { addresses: string[] };
      assert.deepEqual(
        { ...found, addresses: found.addresses.includes(address ?? "") },
        {
          name: "greenhouse abcdef",
          host: "tether-abcdefghijklmnop.local",
          port: 7415,
          txt: { id: "abcdefghijklmnop", version: "0.1.0", fingerprint: "SHA256:test" },
          addresses: true,
        },
      );
    }
    agent.kill("SIGTERM");
    await once(agent, "exit");
    assert.equal(await browse("red"), null);
  } finally {
    await lab.dispose();
  }
});
