import assert from "node:assert/strict";
import { test } from "node:test";
import { parser as createParser, generate } from "mqtt-packet";
import { Log } from "../../agent/log.ts";
import type { OutgoingMessage } from "../../agent/mqtt/broker.ts";
import { CallDesk } from "../../agent/mqtt/calls.ts";
import { componentsOf, discoveryPayload } from "../../agent/mqtt/home-assistant.ts";
import { Outbox } from "../../agent/mqtt/outbox.ts";
import { PacketGuard } from "../../agent/mqtt/packet-guard.ts";
import { Pauses } from "../../agent/mqtt/pauses.ts";
import { RepeatedCalls } from "../../agent/mqtt/repeated-calls.ts";
import { readCallTopic, topicLevel, topicsOf, whyNoResponseTopic } from "../../agent/mqtt/topics.ts";
import { allowedBy, Registry } from "../../agent/procedures/index.ts";
import { CallGate, Refusals } from "../../agent/server/index.ts";
import { MQTT, TetherError } from "../../protocol/index.ts";

const topics = topicsOf("site/tether", "greenhouse");

test("names become one level of a topic", () => {
  assert.equal(topicLevel("greenhouse-2.lab"), "greenhouse-2.lab");
  assert.equal(topicLevel("$a/b+c#d\0"), "_a_b_c_d_");
  assert.equal(topicLevel(""), "_");
  assert.equal(topicsOf("tether", "a/b").status, "tether/a_b/status");
});

test("call topics", () => {
  const call = (rest: string) => readCallTopic(topics, `site/tether/greenhouse/${rest}`);
  assert.deepEqual(call("call/math.add"), { procedure: "math.add", id: undefined });
  assert.deepEqual(call("call/math.add/7"), { procedure: "math.add", id: "7" });
  for (const rest of ["call/", "call/math.add/", "call/a/b/c", "call", "info", "calls/math.add"]) {
    assert.equal(call(rest), undefined, rest);
  }
  assert.equal(readCallTopic(topics, "site/tether/other/call/math.add"), undefined);
});

test("response topics", () => {
  const why = (topic: string) =>
    whyNoResponseTopic(topic, { prefix: "site/tether", discoveryPrefixes: ["ha", "homeassistant"] });
  for (const topic of ["my/answers", "site/tether/greenhouse/reply/1", "site/tetherX/call/x", "hat/x"]) {
    assert.equal(why(topic), undefined, topic);
  }
  const refused = [
    "",
    "a/+/b",
    "a/#",
    "a\0b",
    "$SYS/x",
    "$share/g/x",
    "ha",
    "ha/device/x/config",
    "homeassistant/status",
    "site/tether",
    "site/tether/greenhouse",
    "site/tether/greenhouse/call/math.add",
    "site/tether/other/call/math.add/1",
    "site/tether/greenhouse/devices/bench/state",
    "x".repeat(MQTT.responseTopicBytes + 1),
  ];
  for (const topic of refused) assert.notEqual(why(topic), undefined, topic.slice(0, 60));
});

test("patterns of procedures", () => {
  const allowed = allowedBy(["math.*", "text.echo", "devices.*.get*", "*.x"]);
  for (const name of ["math.add", "math.", "text.echo", "devices.bench.getAll", "a.x", ".x"]) {
    assert.ok(allowed(name), name);
  }
  for (const name of [
    "math",
    "mathx.add",
    "text.echo2",
    "devices.get",
    "devices.bench.set",
    "a.xy",
    "mathXadd",
  ]) {
    assert.ok(!allowed(name), name);
  }
  assert.ok(allowedBy(["*"])("anything"));
  assert.ok(!allowedBy(["a*a"])("a"));
  assert.ok(!allowedBy([])("anything"));
});

test("pauses grow up to a bound and have jitter", () => {
  const pauses = new Pauses();
  const longest = Array.from({ length: 12 }, () => pauses.next(1));
  assert.deepEqual(longest.slice(0, 4), [500, 1_000, 2_000, 4_000]);
  assert.equal(longest.at(-1), MQTT.longestPause);
  assert.equal(pauses.next(0), MQTT.longestPause / 2);
  pauses.reset();
  assert.equal(pauses.next(0), 250);
});

test("repeated calls are remembered for a while and in bounds", () => {
  const calls = new RepeatedCalls();
  assert.equal(calls.isRepeated("a", 0), false);
  assert.equal(calls.isRepeated("a", MQTT.repeatMemory - 1), true);
  assert.equal(calls.isRepeated("a", MQTT.repeatMemory), false);
  for (let n = 0; n < MQTT.repeatsTracked; n++) calls.isRepeated(`${n}`, MQTT.repeatMemory);
  assert.equal(calls.isRepeated("a", MQTT.repeatMemory), false);
});

test("the packet guard follows what a parser sees, however it is cut", () => {
  const publish = (bytes: number) =>
    generate({
      cmd: "publish",
      topic: "t",
      payload: Buffer.alloc(bytes, 0xff),
      qos: 0,
      dup: false,
      retain: false,
    });
  const sizes = [0, 1, 124, 125, 126, 1_000, 16_380, 16_381];
  const whole = Buffer.concat([generate({ cmd: "pingreq" }), ...sizes.map(publish)]);
  for (const step of [1, 2, 7, 1_000, whole.length]) {
    const guard = new PacketGuard(16_384);
    const parser = createParser();
    let packets = 0;
    parser.on("packet", () => packets++);
    for (let at = 0; at < whole.length; at += step) {
      assert.ok(guard.push(whole.subarray(at, at + step)));
      parser.parse(whole.subarray(at, at + step));
    }
    assert.equal(packets, sizes.length + 1);
    assert.ok(!guard.push(publish(16_382)), `too large, cut to ${step}`);
  }
  const guard = new PacketGuard(16_384);
  assert.ok(!publish(20_000).every((byte) => guard.push(Uint8Array.of(byte))));
  // A length of five bytes is none (MQTT 5.0 §1.5.5).
  assert.ok(!new PacketGuard(2 ** 40).push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f)));
});

test("the outbox keeps the last message of a topic while there is no connection", async () => {
  const sent: OutgoingMessage[] = [];
  const outbox = new Outbox(() => assert.fail("nothing is refused"));
  for (let value = 0; value < 10_000; value++) outbox.put({ topic: `t/${value % 2}`, payload: `${value}` });
  assert.equal(outbox.putAnswer({ topic: "answer", payload: "lost" }), false);
  outbox.attach(async (message) => {
    sent.push(message);
  });
  await outbox.idle();
  assert.deepEqual(
    sent.map(({ topic, payload }) => [topic, payload]),
    [
      ["t/0", "9998"],
      ["t/1", "9999"],
    ],
  );
});

test("the outbox goes on over the next connection when a message never ends", async () => {
  const outbox = new Outbox(() => undefined);
  outbox.attach(() => new Promise(() => undefined));
  outbox.put({ topic: "stuck", payload: "" });
  outbox.put({ topic: "next", payload: () => "as it is then" });
  const answer = { topic: "a", payload: "x".repeat(MQTT.queuedAnswers) };
  assert.equal(outbox.putAnswer(answer), true);
  assert.equal(outbox.putAnswer({ topic: "b", payload: "x" }), false);
  outbox.detach();
  const sent: string[] = [];
  outbox.attach(async ({ payload }) => void sent.push(payload));
  await outbox.idle();
  assert.deepEqual(sent, ["as it is then"]);
});

test("an outbox tells of a message that is refused and sends the next", async () => {
  const refused: string[] = [];
  const outbox = new Outbox((topic) => refused.push(topic));
  outbox.attach(async ({ topic }) => {
    if (topic === "bad") throw new Error("too large");
  });
  outbox.put({ topic: "bad", payload: "" });
  outbox.put({ topic: "good", payload: "" });
  await outbox.idle();
  assert.deepEqual(refused, ["bad"]);
});

test("calls count at the gate, end in time and when the desk stops", async () => {
  const registry = new Registry();
  const never = { summary: "", parameters: {}, result: {}, role: "viewer", retryable: true } as const;
  registry.add({ ...never, name: "never", run: () => new Promise(() => undefined) });
  const answers: { topic: string; payload: string }[] = [];
  let heard = () => {};
  const gate = new CallGate(1);
  const desk = new CallDesk({
    registry,
    gate,
    refusals: new Refusals(new Log(process.stderr, { readable: true })),
    topics,
    origin: "test",
    allow: ["*"],
    role: "viewer",
    discoveryPrefixes: [],
    send: (message) => {
      answers.push(message);
      heard();
      return true;
    },
    now: () => 0,
  });
  const answer = () => new Promise<void>((resolve) => (heard = resolve));
  const call = (id: string, expiresIn?: number) =>
    desk.handle({
      topic: `site/tether/greenhouse/call/never/${id}`,
      payload: Buffer.alloc(0),
      retained: false,
      repeated: false,
      ...(expiresIn !== undefined && { expiresIn }),
    });
  const code = () => JSON.parse(answers.at(-1)?.payload ?? "null").error.code;

  let heardOne = answer();
  call("first", 20);
  assert.equal(gate.running, 1);
  call("second");
  await heardOne;
  assert.deepEqual([answers[0]?.topic, code()], ["site/tether/greenhouse/reply/second", "busy"]);
  await answer();
  assert.deepEqual([answers[1]?.topic, code()], ["site/tether/greenhouse/reply/first", "timeout"]);
  heardOne = answer();
  call("third");
  desk.stop(new TetherError("cancelled", "over"));
  await heardOne;
  assert.equal(code(), "cancelled");
  assert.equal(gate.running, 0);
});

test("Home Assistant's discovery payload", () => {
  const readings = [
    { name: "power", type: "number", unit: "W", deviceClass: "power" },
    { name: "total", type: "number", unit: "kWh", deviceClass: "energy" },
    { name: "count", type: "integer" },
    { name: "text", type: "string", unit: "°C" },
    { name: "door", type: "boolean", deviceClass: "door" },
    { name: "odd", type: "boolean", deviceClass: "temperature" },
    { name: "motion", type: "integer", deviceClass: "motion" },
  ] as const;
  const device = { name: "bench", driver: "line", readings };
  const origin = { id: "abcdefghijklmnop", name: "greenhouse", version: "1.2.3" };
  const read = (payload: string | undefined) => JSON.parse(payload ?? "null");
  const payload = read(discoveryPayload(device, { topics, origin }));
  // Required by Home Assistant: a device with identifiers, an origin with a name, a platform and a unique id each.
  assert.deepEqual(payload.device.identifiers, ["tether_abcdefghijklmnop_bench"]);
  assert.equal(payload.origin.name, "Tether");
  const ids = Object.values(payload.components).map((each) => (each as { unique_id: string }).unique_id);
  assert.equal(new Set(ids).size, readings.length);
  const facts = (name: string) => {
    const { platform, device_class, unit_of_measurement, state_class } = payload.components[name];
    return [platform, device_class, unit_of_measurement, state_class];
  };
  assert.deepEqual(facts("power"), ["sensor", "power", "W", "measurement"]);
  assert.deepEqual(facts("total"), ["sensor", "energy", "kWh", "total_increasing"]);
  assert.deepEqual(facts("count"), ["sensor", undefined, undefined, "measurement"]);
  assert.deepEqual(facts("text"), ["sensor", undefined, undefined, undefined]);
  assert.deepEqual(facts("door"), ["binary_sensor", "door", undefined, undefined]);
  assert.deepEqual(facts("odd"), ["binary_sensor", undefined, undefined, undefined]);
  assert.deepEqual(facts("motion"), ["sensor", undefined, undefined, "measurement"]);
  assert.equal(payload.availability_mode, "all");

  const gone = read(discoveryPayload(device, { topics, origin, gone: { old: "sensor" } }));
  assert.deepEqual(gone.components.old, { platform: "sensor" });
  assert.equal(componentsOf(device).door, "binary_sensor");
  assert.equal(discoveryPayload({ ...device, readings: [] }, { topics, origin }), undefined);
});
