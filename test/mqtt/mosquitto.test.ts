import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { MQTT } from "../../protocol/index.ts";
import { type AgentProcess, type Owner, startAgent } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { benchDevice } from "./bench-configuration.ts";
import {
  type Mosquitto,
  makeTlsFiles,
  publish,
  type SeenMessage,
  type Subscriber,
  startMosquitto,
  subscribe,
  temporaryFolder,
} from "./mosquitto.ts";

const base = "tether/test-agent";
const skip = missing("mosquitto", "openssl");

function passwordFile(owner: Owner, password: string): string {
  const file = join(temporaryFolder(owner), "password");
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return file;
}

async function mqttState(agent: AgentProcess): Promise<unknown> {
  return JSON.parse((await agent.tetherd(["status", "--json"])).stdout).mqtt;
}

function payloadOf(message: SeenMessage) {
  return JSON.parse(message.payload);
}

describe("with a broker of one's own", { concurrency: true, skip }, () => {
  test("password and TLS: readings at a subscriber, offline after kill -9, online after start", async (t) => {
    const tls = makeTlsFiles(temporaryFolder(t));
    const login = { user: "pi", password: "correct horse" };
    const broker = await startMosquitto(t, { login, tls });
    const all = await subscribe(t, broker.clientArguments, ["tether/#"]);
    const configuration = {
      devices: [benchDevice()],
      mqtt: { url: broker.url, username: "pi", passwordFile: passwordFile(t, login.password) },
    };
    const env = { NODE_EXTRA_CA_CERTS: tls.authority };
    const agent = await startAgent(t, { configuration, env });
    assert.equal((await all.on(`${base}/status`)).payload, "online");

    const reading = payloadOf(await all.on(`${base}/devices/bench/temperature`));
    assert.deepEqual(Object.keys(reading), ["value", "unit", "time"]);
    assert.equal(typeof reading.value, "number");
    assert.equal(reading.unit, "°C");
    assert.match(reading.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

    const info = payloadOf(await all.on(`${base}/info`));
    assert.equal(info.name, "test-agent");
    assert.match(info.id, /^[a-z2-7]{16}$/);
    assert.ok(Array.isArray(info.addresses) && info.memory.total > 0 && info.uptimeSeconds === undefined);

    // What is retained is there for who comes later.
    const late = await subscribe(t, broker.clientArguments, ["tether/#"]);
    const state = await late.on(`${base}/devices/bench/state`);
    assert.ok(state.retained);
    assert.equal(payloadOf(state).state, "ready");
    assert.equal(payloadOf(state).readings.temperature.unit, "°C");
    assert.ok((await late.on(`${base}/info`)).retained);
    assert.deepEqual(await mqttState(agent), { state: "connected" });
    assert.equal((await agent.line("mqtt-connected")).protocol, "MQTT 5.0");

    const from = all.messages.length;
    const killed = performance.now();
    await agent.stop("SIGKILL");
    assert.equal((await all.on(`${base}/status`, from)).payload, "offline");
    assert.ok(performance.now() - killed < MQTT.keepalive * 1_500);

    const again = await startAgent(t, { folder: agent.folder, env });
    const isOnline = (message: SeenMessage) =>
      message.topic === `${base}/status` && message.payload === "online";
    await all.message(isOnline, "online again", from);
    const stopping = all.messages.length;
    assert.equal(await again.stop(), 0);
    assert.equal((await all.on(`${base}/status`, stopping)).payload, "offline");
    assert.equal(again.stderr, "");
  });

  test("an agent that hangs is offline within 1.5 keepalives", async (t) => {
    const broker = await startMosquitto(t);
    const status = await subscribe(t, broker.clientArguments, [`${base}/status`]);
    const agent = await startAgent(t, { configuration: { mqtt: { url: broker.url } } });
    assert.equal((await status.on(`${base}/status`)).payload, "online");
    agent.signal("SIGSTOP");
    const stopped = performance.now();
    await status.message(({ payload }) => payload === "offline", "offline");
    // mosquitto looks at this every five seconds.
    assert.ok(performance.now() - stopped < MQTT.keepalive * 1_500 + 8_000);
    // Back at work, it finds out and connects again.
    const from = status.messages.length;
    agent.signal("SIGCONT");
    await status.message(({ payload }) => payload === "online", "online after the hang", from);
  });

  test("a broker that hangs is given up and found again", async (t) => {
    const broker = await startMosquitto(t);
    const agent = await startAgent(t, { configuration: { mqtt: { url: broker.url } } });
    await agent.line("mqtt-connected");
    broker.signal("SIGSTOP");
    await agent.line("mqtt-lost");
    broker.signal("SIGCONT");
    await agent.line(
      "mqtt-connected",
      undefined,
      agent.log.findIndex((line) => line.event === "mqtt-lost"),
    );
  });

  test("a wrong password is one line, the agent works, and the right one is taken without a restart", async (t) => {
    const broker = await startMosquitto(t, { login: { user: "pi", password: "right" } });
    const file = passwordFile(t, "wrong");
    const agent = await startAgent(t, {
      configuration: {
        devices: [benchDevice()],
        mqtt: { url: broker.url, username: "pi", passwordFile: file },
      },
    });
    const refusals = () => broker.log.filter((line) => line.includes("not authorised")).length;
    await until(() => refusals() >= 3, "three tries", 20_000);
    const lines = agent.log.filter((line) => line.event.startsWith("mqtt"));
    assert.deepEqual(
      lines.map((line) => line.event),
      ["mqtt-refused"],
    );
    assert.doesNotMatch(JSON.stringify(agent.log), /wrong/);
    assert.deepEqual(await mqttState(agent), { state: "refused" });
    await agent.pair();
    assert.equal((await agent.tether(["call", "devices.bench.isLit"])).stdout.trim(), "0");
    writeFileSync(file, "right\n");
    await agent.line("mqtt-connected");
  });

  test("a password file that is not there, or that others may read, is one line", async (t) => {
    const broker = await startMosquitto(t);
    const file = passwordFile(t, "secret");
    const agent = await startAgent(t, {
      configuration: { mqtt: { url: broker.url, username: "pi", passwordFile: `${file}.none` } },
    });
    assert.match((await agent.line("mqtt-unreachable")).message, /ENOENT/);
    writeFileSync(`${file}.none`, "secret\n");
    chmodSync(`${file}.none`, 0o644);
    await agent.line("mqtt-unreachable", ({ message }) => /others may use/.test(message));
    chmodSync(`${file}.none`, 0o600);
    await agent.line("mqtt-connected");
    assert.equal(agent.log.filter((line) => line.event === "mqtt-unreachable").length, 2);
  });

  test("a certificate of nobody known is refused, with what to do", async (t) => {
    const tls = makeTlsFiles(temporaryFolder(t));
    const broker = await startMosquitto(t, { tls });
    const agent = await startAgent(t, { configuration: { mqtt: { url: broker.url } } });
    assert.match((await agent.line("mqtt-unreachable")).message, /certificate.*update-ca-certificates/s);
    assert.deepEqual(await mqttState(agent), { state: "unreachable" });
  });

  test("a broker restarted under load: connected, online, readings and calls again", async (t) => {
    const broker = await startMosquitto(t);
    const fast = ["a", "b", "c", "d"].map((name) => benchDevice(name, { every: "100ms" }));
    const agent = await startAgent(t, { configuration: { devices: fast, mqtt: { url: broker.url } } });
    await agent.line("mqtt-connected");
    for (const [round, signal] of (["SIGKILL", "SIGTERM", "SIGKILL"] as const).entries()) {
      const calls = Array.from({ length: 50 }, (_, n) =>
        publish(broker.clientArguments, ["-t", `${base}/call/math.add/${round}-${n}`, "-m", "[1,2]"]).catch(
          () => undefined,
        ),
      );
      const from = agent.log.length;
      await broker.stop(signal);
      await agent.line("mqtt-lost", undefined, from);
      await Promise.all(calls);
      await broker.start();
      const after = await subscribe(t, broker.clientArguments, ["tether/#"]);
      await after.message(({ payload }) => payload === "online", "online");
      for (const name of ["a", "b", "c", "d"]) {
        await after.on(`${base}/devices/${name}/state`);
        await after.on(`${base}/devices/${name}/temperature`);
      }
      const request = ["-t", `${base}/call/math.add`, "-e", `answers/${round}`, "-m", "[1,2]", "-V", "5"];
      assert.equal(await publish(broker.clientArguments, request, "mosquitto_rr"), '{"result":3}');
    }
    const told = agent.log.filter((line) => line.event.startsWith("mqtt"));
    assert.ok(told.length <= 1 + 3 * 4, JSON.stringify(told));
    assert.equal(agent.stderr, "");
  });

  test("SIGHUP: unchanged settings keep the connection, changed ones move everything", async (t) => {
    const broker = await startMosquitto(t);
    const all = await subscribe(t, broker.clientArguments, ["#"]);
    const mqtt = { url: broker.url, homeAssistant: {} };
    const agent = await startAgent(t, {
      configuration: { devices: [benchDevice("one"), benchDevice("two")], mqtt },
    });
    await all.on(`${base}/devices/two/state`);
    const write = (changes: object) => {
      const old = JSON.parse(readFileSync(agent.configurationFile, "utf8"));
      writeFileSync(agent.configurationFile, JSON.stringify({ ...old, ...changes }));
    };
    const reload = async (changes: object) => {
      const from = agent.log.length;
      write(changes);
      agent.signal("SIGHUP");
      await agent.line("configuration-read", undefined, from);
    };
    const config = (device: string) =>
      all.messages.findLast(({ topic }) => topic.startsWith("homeassistant/") && topic.includes(device));

    let from = all.messages.length;
    await reload({ devices: [benchDevice("one")] });
    assert.equal(
      (await all.message(isEmpty(`${base}/devices/two/state`), "no state of two", from)).payload,
      "",
    );
    await until(() => config("two")?.payload === "", "the end of the entity");
    assert.equal(agent.log.filter((line) => line.event === "mqtt-connected").length, 1);

    from = all.messages.length;
    await reload({ mqtt: { ...mqtt, prefix: "site/tether" } });
    await all.message(isEmpty(`${base}/status`), "no status at the old place", from);
    await all.message(isEmpty(`${base}/info`), "no info at the old place", from);
    await all.message(isEmpty(`${base}/devices/one/state`), "no state at the old place", from);
    const moved = await all.on("site/tether/test-agent/status", from);
    assert.equal(moved.payload, "online");
    await until(
      () => config("one")?.payload.includes("site/tether/test-agent/status") === true,
      "new topics",
    );

    from = all.messages.length;
    await reload({ mqtt: undefined });
    await all.message(isEmpty("site/tether/test-agent/status"), "no status any more", from);
    await until(() => config("one")?.payload === "", "no entity any more");
    assert.equal(await mqttState(agent), null);
    // Nothing of it all is left on the broker but what the test has not seen.
    const left = await subscribe(t, broker.clientArguments, ["#"]);
    await publish(broker.clientArguments, ["-t", "end", "-m", "end"]);
    await left.on("end");
    assert.deepEqual(
      left.messages.filter(({ retained }) => retained),
      [],
    );
  });

  test("what an earlier run has left of a device that is gone is taken away", async (t) => {
    const broker = await startMosquitto(t);
    const mqtt = { url: broker.url, homeAssistant: {} };
    const readings = {
      temperature: { command: "temperature", every: "1s" },
      lit: { command: "isLit", every: "1s" },
    };
    const first = await startAgent(t, {
      configuration: { devices: [benchDevice("stays", { readings }), benchDevice("goes")], mqtt },
    });
    const before = await subscribe(t, broker.clientArguments, ["#"]);
    await before.on(`${base}/devices/goes/state`);
    await before.on(`${base}/devices/stays/state`);
    await first.stop();
    const all = await subscribe(t, broker.clientArguments, ["#"]);
    const entity = /^homeassistant\/device\/.*goes\/config$/;
    await all.message(({ topic }) => entity.test(topic), "the old entity");
    await all.on(`${base}/devices/goes/state`);
    const from = all.messages.length;
    const folder = first.folder;
    const configuration = {
      devices: [benchDevice("stays", { readings: { temperature: readings.temperature } })],
      mqtt,
    };
    await startAgent(t, { folder, configuration });
    await all.message(isEmpty(`${base}/devices/goes/state`), "the old state to go", from);
    await all.message(({ topic, payload }) => entity.test(topic) && payload === "", "the entity to go", from);
    // One message removes the component by its platform alone, the next knows nothing of it.
    const announcements = () =>
      all.messages
        .slice(from)
        .filter(({ topic }) => topic.endsWith("_stays/config"))
        .map((message) => payloadOf(message).components.lit);
    await until(() => {
      const seen = announcements();
      return seen.some((lit) => JSON.stringify(lit) === '{"platform":"sensor"}') && seen.at(-1) === undefined;
    }, "the component to go");
  });
});

describe("calls", { concurrency: true, skip }, () => {
  let broker: Mosquitto;
  let agent: AgentProcess;
  let replies: Subscriber;
  let next = 0;

  const undo: (() => unknown)[] = [];
  const owner: Owner = { after: (action) => undo.unshift(action) };
  after(async () => {
    for (const action of undo) await action();
  });

  before(async () => {
    broker = await startMosquitto(owner);
    agent = await startAgent(owner, {
      configuration: {
        devices: [benchDevice()],
        mqtt: {
          url: broker.url,
          allow: ["math.*", "text.echo", "devices.bench.*", "system.info"],
          homeAssistant: { prefix: "ha" },
        },
      },
    });
    replies = await subscribe(owner, broker.clientArguments, [`${base}/reply/+`, "answers/#"]);
    // Published after everything else that is told on connecting.
    const state = `${base}/devices/bench/state`;
    await (await subscribe(owner, broker.clientArguments, [state])).on(state);
  });

  /** Calls as an MQTT 5 client does; gives the answer's text. */
  const request = (procedure: string, params: string, more: readonly string[] = []) =>
    publish(
      broker.clientArguments,
      ["-V", "5", "-t", `${base}/call/${procedure}`, "-e", `rr/${++next}`, "-m", params, "-W", "20", ...more],
      "mosquitto_rr",
    );
  const send = (args: readonly string[]) => publish(broker.clientArguments, args);
  /** Waits until the agent has answered everything that was sent before. */
  const settle = async () => {
    const id = `settled${++next}`;
    await send(["-t", `${base}/call/math.add/${id}`, "-m", "[1,1]"]);
    await replies.on(`${base}/reply/${id}`);
  };

  test("MQTT 5: answered on the response topic with the correlation data", async () => {
    assert.equal(await request("math.multiply", "[6,7]"), '{"result":42}');
    assert.equal(await request("math.multiply", '{"a":6,"b":7}'), '{"result":42}');
    const big = "123456789012345678901234567890";
    assert.equal(await request("math.add", `[${big},1]`), '{"result":123456789012345678901234567891}');
    const format = ["-F", "%D %p", "-D", "publish", "correlation-data", "mine"];
    assert.equal(await request("text.echo", '["héllo"]', format), 'mine {"result":"héllo"}');
  });

  test("MQTT 3.1.1: answered on the reply topic of its id", async () => {
    await send(["-V", "311", "-t", `${base}/call/math.multiply/a-1`, "-m", "[6,7]"]);
    assert.equal((await replies.on(`${base}/reply/a-1`)).payload, '{"result":42}');
    await send(["-V", "311", "-t", `${base}/call/system.info/a-2`, "-n"]);
    assert.equal(payloadOf(await replies.on(`${base}/reply/a-2`)).result.name, "test-agent");
  });

  test("mistakes have the table's codes", async () => {
    const codeOf = async (procedure: string, params: string) =>
      JSON.parse(await request(procedure, params)).error.code;
    assert.equal(await codeOf("math.nothing", "[]"), "not-found");
    assert.equal(await codeOf("math.multiply", '["x"]'), "invalid");
    assert.equal(await codeOf("math.multiply", "[6,"), "invalid");
    assert.equal(await codeOf("math.multiply", '"6 7"'), "invalid");
    await send(["-t", `${base}/call/text.echo/bytes`, "-m", Buffer.from("ff", "hex").toString("latin1")]);
  });

  test("what is not allowed, or needs a higher role, is forbidden and in the log", async () => {
    const outside = JSON.parse(await request("net.hostname", "[]"));
    assert.equal(outside.error.code, "forbidden");
    const higher = JSON.parse(await request("devices.bench.led", "[1]"));
    assert.equal(higher.error.code, "forbidden");
    assert.match(higher.error.message, /needs the role operator; you have viewer/);
    const line = await agent.line("mqtt-call-refused", (each) => each.procedure === "devices.bench.led");
    assert.equal(line.code, "forbidden");
    assert.equal(line.address, broker.url);
    assert.equal(line.role, "viewer");
    // Without an answer to read, it is the log that tells.
    await send(["-t", `${base}/call/math.multiply`, "-m", "[1]"]);
    await agent.line("mqtt-call-failed", (each) => each.procedure === "math.multiply");
  });

  test("a retained call is dropped, live and later", async (t) => {
    await send(["-r", "-t", `${base}/call/math.multiply/kept`, "-m", "[6,7]"]);
    const line = await agent.line("mqtt-call-dropped", ({ message }) => /retained/.test(message));
    assert.equal(line.procedure, "math.multiply");
    await settle();
    assert.equal(
      replies.messages.find(({ topic }) => topic.endsWith("/kept")),
      undefined,
    );
    t.after(() => send(["-r", "-n", "-t", `${base}/call/math.multiply/kept`]));
  });

  test("a call that comes again is dropped; one of another id or correlation is not", async () => {
    for (const id of ["same", "same", "other", "same"]) {
      await send(["-t", `${base}/call/math.add/${id}`, "-m", "[2,3]"]);
    }
    for (const correlation of ["c1", "c1", "c2"]) {
      const properties = ["response-topic", "answers/5", "correlation-data", correlation];
      const five = properties.flatMap((part, n) => (n % 2 === 0 ? ["-D", "publish", part] : [part]));
      await send(["-V", "5", "-t", `${base}/call/math.add`, "-m", "[2,3]", ...five]);
    }
    await settle();
    const count = (topic: string) => replies.messages.filter((message) => message.topic === topic).length;
    assert.equal(count(`${base}/reply/same`), 1);
    assert.equal(count(`${base}/reply/other`), 1);
    assert.equal(count("answers/5"), 2);
  });

  test("nothing is answered where a call, a discovery or a state would be", async (t) => {
    const everything = await subscribe(t, broker.clientArguments, ["#"]);
    const targets = [
      `${base}/call/text.echo`,
      "tether/other-agent/call/text.echo/1",
      "ha/device/x/config",
      "homeassistant/sensor/x/config",
      `${base}/status`,
      "$SYS/x",
    ];
    for (const target of targets) {
      const properties = ["-D", "publish", "response-topic", target];
      await send(["-V", "5", "-t", `${base}/call/text.echo`, "-m", '["abuse"]', ...properties]);
      await agent.line("mqtt-call-refused", ({ message }) =>
        message.includes(JSON.stringify(target).slice(1, -1)),
      );
    }
    await settle();
    await everything.message(({ topic }) => topic.startsWith(`${base}/reply/settled`), "the last answer");
    const abused = everything.messages.filter(({ payload }) => payload.includes('"result":"abuse"'));
    assert.deepEqual(abused, []);
  });

  test("Home Assistant's birth has the devices announced again", async (t) => {
    const all = await subscribe(t, broker.clientArguments, ["ha/#"]);
    const isConfig = ({ topic }: SeenMessage) => /^ha\/device\/[a-zA-Z0-9_-]+\/config$/.test(topic);
    const first = await all.message(isConfig, "the announcement");
    assert.ok(first.retained);
    const from = all.messages.length;
    await send(["-t", "ha/status", "-m", "online"]);
    const again = await all.message(isConfig, "the announcement again", from);
    assert.equal(again.payload, first.payload);
    const { device, origin, components, availability, state_topic } = payloadOf(first);
    assert.deepEqual(device.identifiers, [first.topic.split("/")[2]]);
    assert.equal(origin.name, "Tether");
    assert.equal(state_topic, `${base}/devices/bench/state`);
    assert.deepEqual(availability[0], { topic: `${base}/status` });
    const { platform, unique_id, device_class, unit_of_measurement, state_class } = components.temperature;
    assert.equal(platform, "sensor");
    assert.equal(unique_id, `${device.identifiers[0]}_temperature`);
    assert.deepEqual([device_class, unit_of_measurement, state_class], ["temperature", "°C", "measurement"]);
  });
});

function isEmpty(topic: string): (message: SeenMessage) => boolean {
  return (message) => message.topic === topic && message.payload === "";
}
