import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Aedes } from "aedes";
import { connect as connectMqtt } from "mqtt";
import { generate } from "mqtt-packet";
import { MQTT } from "../../protocol/index.ts";
import { startAgent } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { freePort } from "../free-port.ts";
import { missing } from "../peers.ts";
import { benchDevice } from "./bench-configuration.ts";
import { publish, subscribe, temporaryFolder } from "./mosquitto.ts";

const base = "tether/test-agent";
const skip = missing("mosquitto");

function clientOf(port: number, login: readonly string[] = []): string[] {
  return ["-h", "127.0.0.1", "-p", String(port), "-V", "311", ...login];
}

describe("the embedded broker", { concurrency: true, skip }, () => {
  test("serves subscribers and callers, and says offline before it goes", async (t) => {
    const port = await freePort();
    const agent = await startAgent(t, {
      configuration: { devices: [benchDevice()], mqtt: { broker: { port }, homeAssistant: {} } },
    });
    const client = clientOf(port);
    // It listens once the agent is ready.
    const all = await subscribe(t, client, ["#"]);
    const status = await all.on(`${base}/status`);
    assert.deepEqual([status.payload, status.retained], ["online", true]);
    const reading = JSON.parse((await all.on(`${base}/devices/bench/temperature`)).payload);
    assert.equal(reading.unit, "°C");
    assert.ok(reading.time);
    await all.message(
      ({ topic }) => /^homeassistant\/device\/.*\/config$/.test(topic),
      "the discovery message",
    );

    await publish(client, ["-t", `${base}/call/math.multiply/1`, "-m", "[6,7]"]);
    assert.equal((await all.on(`${base}/reply/1`)).payload, '{"result":42}');
    await publish(client, ["-r", "-t", `${base}/call/math.multiply/2`, "-m", "[6,7]"]);
    await agent.line("mqtt-call-dropped");
    assert.equal(
      all.messages.find(({ topic }) => topic === `${base}/reply/2`),
      undefined,
    );
    assert.equal(
      agent.log.find((line) => line.event === "mqtt-broker-open"),
      undefined,
    );
    await assert.rejects(publish(["-h", "127.0.0.1", "-p", String(port), "-V", "5"], ["-t", "x", "-m", "y"]));

    const from = all.messages.length;
    assert.equal(await agent.stop(), 0);
    assert.equal((await all.on(`${base}/status`, from)).payload, "offline");
    assert.equal(agent.stderr, "");
  });

  test("demands the password that is configured, and says so when it lets other machines in", async (t) => {
    const port = await freePort();
    const passwordFile = join(temporaryFolder(t), "password");
    writeFileSync(passwordFile, "hush-hush\n", { mode: 0o600 });
    const agent = await startAgent(t, {
      configuration: { mqtt: { broker: { host: "0.0.0.0", port }, username: "pi", passwordFile } },
    });
    const open = await agent.line("mqtt-broker-open");
    assert.match(open.message, /without encryption/);
    assert.doesNotMatch(open.message, /without a password/);
    for (const login of [[], ["-u", "pi", "-P", "guessed"], ["-u", "eve", "-P", "hush-hush"]]) {
      await assert.rejects(publish(clientOf(port, login), ["-t", "x", "-m", "y"]));
    }
    await agent.line("mqtt-unauthorized", ({ address }) => address === "127.0.0.1");
    await publish(clientOf(port, ["-u", "pi", "-P", "hush-hush"]), ["-t", "x", "-m", "y"]);
    assert.doesNotMatch(JSON.stringify(agent.log), /hush|guessed/);
  });

  test("keeps the agent's own topics for the agent, and packets and connections in bounds", async (t) => {
    const port = await freePort();
    await startAgent(t, { configuration: { mqtt: { broker: { port } } } });
    const client = clientOf(port);
    const all = await subscribe(t, client, ["#"]);
    // QoS 1, so that the refusal is seen: the connection ends without an acknowledgement.
    await assert.rejects(publish(client, ["-q", "1", "-r", "-t", `${base}/status`, "-m", "lies"]));
    await publish(client, ["-q", "1", "-t", "elsewhere/status", "-m", "truth"]);
    await all.on("elsewhere/status");
    assert.equal(
      all.messages.find(({ payload }) => payload === "lies"),
      undefined,
    );

    const socket = await connected(port);
    socket.write(
      generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clean: true, clientId: "x" }),
    );
    await once(socket, "data");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(
      generate({
        cmd: "publish",
        topic: "big",
        payload: Buffer.alloc(MQTT.brokerPacket + 1),
        qos: 0,
        dup: false,
        retain: false,
      }),
    );
    await closed;

    // 2,000 messages may be kept, not one more; giving one up makes room.
    const kept = (n: number, payload = "x") => ["-q", "1", "-r", "-t", `kept/${n}`, "-m", payload];
    const many = connectedClient(port);
    for (let n = 0; n < MQTT.brokerRetained; n++) await many.publish(`kept/${n}`, "x");
    await assert.rejects(publish(client, kept(MQTT.brokerRetained)));
    await many.publish("kept/0", "");
    await publish(client, kept(MQTT.brokerRetained));
    await many.end();

    const sockets = await Promise.all(
      Array.from({ length: MQTT.brokerConnections + 8 }, () => connected(port)),
    );
    await until(() => sockets.filter((each) => each.closed).length >= 8, "the connections too many to end");
    for (const each of sockets) each.destroy();
  });

  test("a port that is taken leaves the agent at work until it is free", async (t) => {
    const port = await freePort();
    const other = createServer().listen(port, "127.0.0.1");
    await once(other, "listening");
    const agent = await startAgent(t, { configuration: { mqtt: { broker: { port } } } });
    assert.match((await agent.line("mqtt-unreachable")).message, /EADDRINUSE/);
    other.close();
    await agent.line("mqtt-connected");
    await publish(clientOf(port), ["-t", "x", "-m", "y"]);
  });
});

test("a broker that speaks MQTT 3.1.1 alone is spoken to in that", { skip }, async (t) => {
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => broker.close(() => server.close()));
  const { port } = server.address() as { port: number };
  const agent = await startAgent(t, { configuration: { mqtt: { url: `mqtt://127.0.0.1:${port}` } } });
  assert.equal((await agent.line("mqtt-connected")).protocol, "MQTT 3.1.1");
  const all = await subscribe(t, clientOf(port), ["tether/#"]);
  await publish(clientOf(port), ["-t", `${base}/call/math.add/7`, "-m", "[3,4]"]);
  assert.equal((await all.on(`${base}/reply/7`)).payload, '{"result":7}');
  const from = all.messages.length;
  await agent.stop("SIGKILL");
  assert.equal((await all.on(`${base}/status`, from)).payload, "offline");
});

/** A client for many messages, each kept by the broker and acknowledged. */
function connectedClient(port: number) {
  const client = connectMqtt(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
  return {
    publish: (topic: string, payload: string) =>
      client.publishAsync(topic, payload, { qos: 1, retain: true }),
    end: () => client.endAsync(),
  };
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined).resume();
  await once(socket, "connect");
  return socket;
}
