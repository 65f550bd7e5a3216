import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration, defaultConfiguration, needsRestart } from "../../agent/config/index.ts";
import { DRIVERS, SIMULATIONS } from "../../firmware-bridge/index.ts";
import { check, EXAMPLE, mistakesOf } from "./surroundings.ts";

test("the whole example is read, durations in milliseconds and sizes in bytes", () => {
  assert.deepEqual(mistakesOf(EXAMPLE), []);
  const { configuration } = check(EXAMPLE);
  // As JSON: what users name comes in objects without a prototype.
  const plain = JSON.parse(JSON.stringify(configuration));
  const { devices, gateways, ...rest } = plain;
  assert.deepEqual(rest, {
    name: "greenhouse",
    tags: ["lab"],
    listen: { host: "::", port: 7415 },
    discovery: { broadcast: true, port: 7415, mdns: false },
    files: { root: "/var/lib/tether/files", quota: 2 * 1024 ** 3 },
    compute: { workers: 2, memory: 256 * 1024 ** 2, procedures: "/etc/tether/procedures", exec: true },
    limits: { connections: 512, connectionsPerAddress: 64, requestBytes: 16 * 1024 ** 2, queuedCalls: 1024 },
    mqtt: {
      broker: { kind: "url", url: "mqtt://127.0.0.1:1883" },
      username: "pi",
      passwordFile: "/etc/tether/mqtt-password",
      prefix: "tether",
      homeAssistant: { prefix: "homeassistant" },
      allow: ["math.*", "text.*", "bytes.*", "net.*"],
      role: "viewer",
    },
  });
  assert.deepEqual(devices, [
    {
      name: "bench",
      port: { kind: "path", path: "/dev/ttyACM0", baudRate: 115_200 },
      driver: "line",
      line: { terminator: "\n", timeout: 2_000, separators: "" },
      commands: {
        led: {
          send: "LED {state}",
          parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
          expect: "^OK",
        },
        temperature: {
          send: "TEMP?",
          parameters: {},
          expect: "^TEMP (?<celsius>-?[0-9.]+)$",
          result: "celsius",
          type: "number",
        },
      },
      readings: {
        temperature: {
          source: { kind: "poll", command: "temperature", every: 5_000 },
          unit: "°C",
          deviceClass: "temperature",
        },
        button: {
          source: { kind: "match", match: "^BTN (?<n>[0-9]+)$", result: "n" },
          type: "integer",
        },
      },
    },
  ]);
  const base = {
    host: "127.0.0.1",
    allow: ["math.*", "text.*", "bytes.*", "net.*"],
    role: "viewer",
    aliases: {},
    limits: { connections: 1024, connectionsPerAddress: 256, requestBytes: 1024 ** 2, idle: 600_000 },
  };
  const { host: _, ...hostless } = base;
  assert.deepEqual(gateways, [
    { ...base, kind: "tcp", port: 65431, call: "math.multiply", framing: "chunk", arguments: "words" },
    { ...base, kind: "udp", port: 1234, call: "text.upper", arguments: "text" },
    { ...hostless, kind: "unix", path: "/run/tether/lines.sock", framing: "line", arguments: "words" },
    {
      ...base,
      kind: "xmlrpc",
      port: 7001,
      allow: ["math.*", "text.*"],
      aliases: { addtogether: "math.sum" },
      tokens: false,
      origins: [],
    },
    { ...base, kind: "http", port: 7002, tokens: false, origins: [] },
    {
      ...base,
      kind: "ftp",
      port: 2121,
      login: { user: "pi", passwordFile: "/etc/tether/ftp-password" },
      passivePorts: { from: 50_000, to: 50_100 },
    },
    { ...base, kind: "rfc2217", port: 2217, device: "bench" },
    { ...base, kind: "serial", port: 4001, device: "bench", lease: 30_000 },
  ]);
});

test("an empty file, comments alone and keys with nothing after them mean the defaults", () => {
  const defaults = defaultConfiguration("/var/lib/tether", "pi");
  assert.equal(defaults.name, "pi");
  assert.equal(defaults.files.root, "/var/lib/tether/files");
  assert.equal(defaults.mqtt, undefined);
  for (const text of [
    "",
    "# nothing\n",
    "---\n",
    "{}\n",
    "listen:\n  # port: 1\ndevices:\nmqtt:\n",
    "\ufeff",
  ]) {
    assert.deepEqual(mistakesOf(text), [], JSON.stringify(text));
    assert.deepEqual(check(text).configuration, defaults, JSON.stringify(text));
  }
});

test("a host name that is no name gives the nearest one", () => {
  assert.equal(defaultConfiguration("/s", "my pi: lab").name, "my-pi-lab");
  assert.equal(defaultConfiguration("/s", "").name, "agent");
});

test("USB numbers and serial numbers are taken as written, also without quotes", () => {
  const match = (members: string) => {
    const { configuration } = check(`devices: [{ name: a, serial: { match: { ${members} } } }]\n`);
    return configuration?.devices[0]?.port;
  };
  assert.deepEqual(match("vendorId: 0043, productId: 1e10, serialNumber: 0075"), {
    kind: "match",
    vendorId: "0043",
    productId: "1e10",
    serialNumber: "0075",
    baudRate: 115_200,
  });
  assert.deepEqual(match('vendorId: "0x2A03"'), { kind: "match", vendorId: "2a03", baudRate: 115_200 });
  assert.deepEqual(match("vendorId: 403"), { kind: "match", vendorId: "0403", baudRate: 115_200 });
});

test("anchors and aliases stand for what they name", () => {
  const text = `
gateways:
  - { kind: http, port: 7002, limits: &small { connections: 8 } }
  - { kind: xmlrpc, port: 7001, limits: *small }
`;
  assert.deepEqual(mistakesOf(text), []);
  assert.equal(check(text).configuration?.gateways[1]?.limits.connections, 8);
});

test("names that every object has are ordinary names", () => {
  const text = `
devices:
  - name: constructor
    serial: { simulate: bench }
    commands: { toString: { send: "x {valueOf}", parameters: { valueOf: {} } } }
gateways: [{ kind: http, port: 1, aliases: { hasOwnProperty: math.sum } }]
`;
  assert.deepEqual(mistakesOf(text), []);
  const { configuration } = check(text);
  assert.deepEqual(Object.keys(configuration?.devices[0]?.commands ?? {}), ["toString"]);
  assert.equal(configuration?.gateways[0]?.aliases.constructor, undefined);
});

test("only listen and files.root need a restart", () => {
  const old = defaultConfiguration("/s", "pi");
  assert.deepEqual(needsRestart(old, defaultConfiguration("/s", "pi")), []);
  const live = { ...old, name: "b", tags: ["x"], discovery: { ...old.discovery, port: 1 } };
  assert.deepEqual(needsRestart(old, { ...live, files: { ...old.files, quota: 1 } }), []);
  assert.deepEqual(needsRestart(old, { ...old, listen: { ...old.listen, host: "::1" } }), ["listen"]);
  const both = { ...old, listen: { ...old.listen, port: 1 }, files: { ...old.files, root: "/x" } };
  assert.deepEqual(needsRestart(old, both), ["listen", "files.root"]);
});

test("every driver and simulation of the bridge can be named", () => {
  const known = { drivers: DRIVERS, simulations: SIMULATIONS };
  for (const driver of DRIVERS) {
    for (const simulation of SIMULATIONS) {
      const text = `devices: [{ name: a, serial: { simulate: ${simulation} }, driver: ${driver} }]\n`;
      const surroundings = { stateFolder: "/s", hostName: "pi" };
      assert.deepEqual(checkConfiguration(text, known, surroundings).mistakes, [], text);
    }
  }
});

test("several lines of answer, fields, quotes and polled fields reach the device's profile", () => {
  const text = `devices:
  - name: modem
    serial: { simulate: bench }
    line: { separators: ";" }
    commands:
      join:
        send: "JOIN {ssid}"
        until: "^OK$"
        error: "^ERROR"
        timeout: 10s
        parameters: { ssid: { quote: '"', escape: backslash } }
      climate: { send: "C?", expect: "^(?<t>.)(?<h>.)$", fields: { t: number, h: integer } }
      log: { send: LOG, lines: 3 }
    readings:
      humidity: { command: climate, result: h }
`;
  assert.deepEqual(mistakesOf(text), []);
  const modem = JSON.parse(JSON.stringify(check(text).configuration?.devices[0]));
  assert.deepEqual(modem.line, { terminator: "\n", timeout: 2_000, separators: ";" });
  assert.deepEqual(modem.commands, {
    join: {
      send: "JOIN {ssid}",
      until: "^OK$",
      error: "^ERROR",
      timeout: 10_000,
      parameters: { ssid: { type: "string", quote: '"', escape: "backslash" } },
    },
    climate: {
      send: "C?",
      expect: "^(?<t>.)(?<h>.)$",
      fields: { t: "number", h: "integer" },
      parameters: {},
    },
    log: { send: "LOG", lines: 3, parameters: {} },
  });
  assert.deepEqual(modem.readings, {
    humidity: { source: { kind: "poll", command: "climate", every: 10_000, field: "h" } },
  });
});
