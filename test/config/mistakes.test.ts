import assert from "node:assert/strict";
import { test } from "node:test";
import { check, DEVICE_KEYS, mistakesOf } from "./surroundings.ts";

function device(lines: string): string {
  return `devices:\n  - name: b\n    serial: { simulate: bench }\n${lines}`;
}

function command(members: string): string {
  return device(`    commands:\n      c: { ${members} }\n`);
}

/** A reading beside command c with an answer, q with an open parameter and n without an answer. */
function reading(members: string): string {
  const commands = [
    '      c: { send: T, expect: "^(?<v>.)$" }',
    '      q: { send: "T {p}", parameters: { p: { } }, expect: a }',
    "      n: { send: N }",
  ];
  return device(`    commands:\n${commands.join("\n")}\n    readings:\n      r: { ${members} }\n`);
}

function gateway(members: string): string {
  return `gateways:\n  - { ${members} }\n`;
}

/** A text, and each of its mistakes as LINE:COLUMN: message. */
const MISTAKES: readonly (readonly [string, readonly string[]])[] = [
  ["nmae: x\n", ['1:1: the configuration has an unknown key "nmae", nearest: name']],
  [
    "colour: x\n",
    [
      '1:1: the configuration has an unknown key "colour", allowed: name tags listen discovery files compute limits devices gateways mqtt',
    ],
  ],
  ["Name: x\n", ['1:1: the configuration has an unknown key "Name", nearest: name']],
  [
    "name: 42\n",
    [
      "1:7: name is the number 42, allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit, in quotes",
    ],
  ],
  [
    "name: a/b\n",
    [
      "1:7: name is \"a/b\", allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit",
    ],
  ],
  [
    "name: [a]\n",
    ["1:7: name is a list, allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit"],
  ],
  [
    'name: ""\n',
    ["1:7: name is \"\", allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit"],
  ],
  ["tags: lab\n", ['1:7: tags is "lab", allowed: a list of 0 to 16 items']],
  ["tags: [a, b c]\n", ['1:11: tags[1] is "b c", allowed: 1 to 32 of A-Z a-z 0-9 _ -']],
  ["tags: [a, ~]\n", ["1:11: tags[1] is empty, allowed: 1 to 32 of A-Z a-z 0-9 _ -"]],
  [`tags: [${Array(17).fill("a")}]\n`, ["1:7: tags has 17 items, allowed: a list of 0 to 16 items"]],
  ['listen: { host: "::", prot: 1 }\n', ['1:23: listen has an unknown key "prot", nearest: port']],
  ["listen: 7415\n", ["1:9: listen is 7415, allowed: the keys host port"]],
  ["listen:\n  port: 65536\n", ["2:9: listen.port is 65536, allowed: an integer from 0 to 65535"]],
  ['listen: { port: "7415" }\n', ['1:17: listen.port is "7415", allowed: an integer from 0 to 65535']],
  ["listen: { port: -1 }\n", ["1:17: listen.port is -1, allowed: an integer from 0 to 65535"]],
  ["listen: { port: 1.5 }\n", ["1:17: listen.port is 1.5, allowed: an integer from 0 to 65535"]],
  [
    "listen: { host: 999.1.1.1 }\n",
    ['1:17: listen.host is "999.1.1.1", allowed: an IP address or a host name, as 127.0.0.1 :: localhost'],
  ],
  [
    'listen: { host: "a b" }\n',
    ['1:17: listen.host is "a b", allowed: an IP address or a host name, as 127.0.0.1 :: localhost'],
  ],
  ["discovery: { broadcast: yes }\n", ['1:25: discovery.broadcast is "yes", allowed: true or false']],
  ["discovery: { port: 0 }\n", ["1:20: discovery.port is 0, allowed: an integer from 1 to 65535"]],
  ["files: { root: files }\n", ['1:16: files.root is "files", allowed: an absolute path, as /srv/tether']],
  [
    "files: { quota: 2GB }\n",
    ['1:17: files.quota is "2GB", allowed: a size from 1KiB to 1024TiB, as 4096 64KiB 16MiB 2GiB'],
  ],
  [
    "files: { quota: -1 }\n",
    ["1:17: files.quota is -1, allowed: a size from 1KiB to 1024TiB, as 4096 64KiB 16MiB 2GiB"],
  ],
  [
    "files: { quota: 12 }\n",
    ["1:17: files.quota is 12, allowed: a size from 1KiB to 1024TiB, as 4096 64KiB 16MiB 2GiB"],
  ],
  [
    "compute: { workers: 0, memory: 1MiB }\n",
    [
      "1:21: compute.workers is 0, allowed: an integer from 1 to 64",
      '1:32: compute.memory is "1MiB", allowed: a size from 16MiB to 64GiB, as 4096 64KiB 16MiB 2GiB',
    ],
  ],
  ["compute: { exec: 1 }\n", ["1:18: compute.exec is 1, allowed: true or false"]],
  [
    "limits: { requestBytes: 16 MiB }\n",
    ['1:25: limits.requestBytes is "16 MiB", allowed: a size from 1KiB to 256MiB, as 4096 64KiB 16MiB 2GiB'],
  ],
  ["limits: { connections: 0 }\n", ["1:24: limits.connections is 0, allowed: an integer from 1 to 65536"]],
  [
    "a: 1\na: 2\nname: x\nname: y\n",
    [
      '1:1: the configuration has an unknown key "a", allowed: name tags listen discovery files compute limits devices gateways mqtt',
      '2:1: the configuration has the key "a" twice, allowed: each key once',
      '4:1: the configuration has the key "name" twice, allowed: each key once',
    ],
  ],
  ["a:\n\tb: 1\n", ["2:1: a tab indents this line, allowed: spaces"]],
  [
    "name: x\n---\nname: y\n",
    ["2:1: a second document starts here, allowed: one document, without `---` after its start"],
  ],
  [
    "name: !foo x\n",
    ["1:7: an unknown tag, allowed: no tag, or !!str !!int !!float !!bool !!null !!seq !!map"],
  ],
  ["%YAML 1.1\n---\nname: x\n", ["1:1: this is YAML 1.1, allowed: YAML 1.2"]],
  [
    "name: [a\ntags: b\n",
    ["2:1: not YAML: flow sequence in block collection must be sufficiently indented and end with a ]"],
  ],
  ["name: 'x\n", ["2:1: not YAML: missing closing 'quote"]],
  ["name: a: b\n", ["1:7: a second `: ` on one line, allowed: a value with `: ` in quotes"]],
  ["name: @x\n", ["1:7: a plain text cannot start with this character, allowed: the same in quotes"]],
  ["name: *x\n", ["1:7: name is the alias *x, which nothing has as its anchor"]],
  [
    "[1]\n",
    [
      "1:1: the configuration is a list, allowed: the keys name tags listen discovery files compute limits devices gateways mqtt",
    ],
  ],
  [
    "just text\n",
    [
      '1:1: the configuration is "just text", allowed: the keys name tags listen discovery files compute limits devices gateways mqtt',
    ],
  ],
  [
    "? [a]\n: 1\n",
    [
      "1:3: the configuration has a list for a key, allowed: the keys name tags listen discovery files compute limits devices gateways mqtt",
    ],
  ],
  [
    'name: "\\q"\n',
    [
      '1:8: an unknown escape in double quotes, allowed: \\n \\r \\t \\\\ \\" \\xNN \\uNNNN, or single quotes',
    ],
  ],
  [
    "a: &a 1\nb: *a\n",
    [
      '1:1: the configuration has an unknown key "a", allowed: name tags listen discovery files compute limits devices gateways mqtt',
      '2:1: the configuration has an unknown key "b", allowed: name tags listen discovery files compute limits devices gateways mqtt',
    ],
  ],
  [
    "tags: &t [a, b c]\ndevices: *t\n",
    [
      `1:11: devices[0] is "a", allowed: the keys ${DEVICE_KEYS}`,
      '1:14: tags[1] is "b c", allowed: 1 to 32 of A-Z a-z 0-9 _ -',
      `1:14: devices[1] is "b c", allowed: the keys ${DEVICE_KEYS}`,
    ],
  ],
  [
    "devices: [ {} ]\n",
    [
      "1:12: devices[0] has no name, allowed: 1 to 64 of A-Z a-z 0-9 _ -, the first no -",
      "1:12: devices[0] has no serial, allowed: the keys path match simulate baudRate dataBits parity stopBits flowControl dtr rts reopen",
    ],
  ],
  [
    "devices:\n  -\n",
    [
      "2:4: devices[0] has no name, allowed: 1 to 64 of A-Z a-z 0-9 _ -, the first no -",
      "2:4: devices[0] has no serial, allowed: the keys path match simulate baudRate dataBits parity stopBits flowControl dtr rts reopen",
    ],
  ],
  ["devices: { name: x }\n", ["1:10: devices is a group of keys, allowed: a list of 0 to 64 items"]],
  [
    "devices:\n  - name: a\n    serial: {}\n",
    ["3:13: devices[0].serial has none of them, allowed: exactly one of path match simulate"],
  ],
  [
    "devices:\n  - name: a\n    serial: { path: /dev/x, simulate: bench }\n",
    ["3:13: devices[0].serial has path and simulate, allowed: exactly one of path match simulate"],
  ],
  [
    "devices:\n  - name: a\n    serial: { simulate: bech }\n",
    [
      '3:25: devices[0].serial.simulate is "bech", not in this version, allowed: bench, or the absolute path of a recording',
    ],
  ],
  [
    "devices:\n  - { name: a, serial: { path: ttyUSB0 } }\n",
    ['2:32: devices[0].serial.path is "ttyUSB0", allowed: an absolute path, as /srv/tether'],
  ],
  [
    "devices:\n  - { name: a, serial: { path: /dev/x, baudrate: 9600 } }\n",
    ['2:40: devices[0].serial has an unknown key "baudrate", nearest: baudRate'],
  ],
  [
    "devices:\n  - { name: a, serial: { path: /dev/x } }\n  - { name: a, serial: { path: /dev//x } }\n",
    [
      '3:13: devices[1].name is "a", which devices[0].name on line 2 has, allowed: each once',
      '3:32: devices[1].serial.path is "/dev/x", which devices[0].serial.path on line 2 has, allowed: each once',
    ],
  ],
  [
    "devices:\n  - { name: a, serial: { match: { } } }\n",
    [
      "2:33: devices[0].serial.match would match every port, allowed: at least one of vendorId productId serialNumber",
    ],
  ],
  [
    'devices:\n  - { name: a, serial: { match: { serialNumber: "" } } }\n',
    [
      '2:49: devices[0].serial.match.serialNumber is "", allowed: text of 1 to 256 characters; an empty one matches nothing',
    ],
  ],
  [
    "devices:\n  - { name: a, serial: { match: { vendorId: 12345 } } }\n",
    ['2:45: devices[0].serial.match.vendorId is 12345, allowed: one to four hexadecimal digits, as "2341"'],
  ],
  [
    'devices:\n  - { name: a, serial: { match: { vendorId: 2341 } } }\n  - { name: b, serial: { match: { vendorId: "2341" } } }\n',
    [
      "3:33: devices[1].serial.match means the same port, which devices[0].serial.match on line 2 has, allowed: each once",
    ],
  ],
  [
    "devices:\n  - { name: a.b, serial: { simulate: bench } }\n",
    ['2:13: devices[0].name is "a.b", allowed: 1 to 64 of A-Z a-z 0-9 _ -, the first no -'],
  ],
  [
    device("    driver: gcod\n"),
    [
      '4:13: devices[0].driver is "gcod", allowed: one of line gcode firmata modbus micropython frames raw; nearest: gcode',
    ],
  ],
  [
    device("    driver: gcode\n"),
    ['4:13: devices[0].driver is "gcode", not in this version, allowed: line raw'],
  ],
  [
    device("    driver: raw\n    commands: { c: { send: x } }\n"),
    ["5:5: devices[0].commands does not go with driver raw, allowed: driver line"],
  ],
  [
    device("    line: { terminator: '\\n' }\n"),
    [
      "4:25: devices[0].line.terminator has a backslash that stands for itself outside double quotes, allowed: 1 to 16 characters, escapes as \\n in double quotes",
    ],
  ],
  [
    device('    line: { terminator: "" }\n'),
    ['4:25: devices[0].line.terminator is "", allowed: 1 to 16 characters, escapes as \\n in double quotes'],
  ],
  [
    device("    line: { timeout: 2 }\n"),
    ["4:22: devices[0].line.timeout is 2, allowed: a duration from 10ms to 10m, as 250ms 5s 10m 1h 1d"],
  ],
  [
    device("    line: { timeout: 1h }\n"),
    ['4:22: devices[0].line.timeout is "1h", allowed: a duration from 10ms to 10m, as 250ms 5s 10m 1h 1d'],
  ],
  [
    device("    commands: { a.b: { send: x } }\n"),
    ['4:17: devices[0].commands has the key "a.b", allowed: 1 to 64 of A-Z a-z 0-9 _ -, the first no -'],
  ],
  [
    device("    commands: [ ]\n"),
    [
      "4:15: devices[0].commands is a list, allowed: up to 256 keys, each 1 to 64 of A-Z a-z 0-9 _ -, the first no -",
    ],
  ],
  [command("expect: x"), ["5:10: devices[0].commands.c has no send, allowed: text of 0 to 1024 characters"]],
  [
    command('send: "A {x}"'),
    ["5:18: devices[0].commands.c.send names {x}, which is no parameter, allowed: a parameter x"],
  ],
  [
    command('send: "A {x}", parameters: { y: { } }'),
    [
      "5:18: devices[0].commands.c.send names {x}, which is no parameter, allowed: one of y",
      "5:41: devices[0].commands.c.parameters.y has no place in send, allowed: one with {y} there",
    ],
  ],
  [
    command('send: A, expect: "("'),
    [
      '5:29: devices[0].commands.c.expect does not compile: Unterminated group, allowed: a regular expression, as "^OK (?<value>[0-9]+)$"',
    ],
  ],
  [
    command('send: A, expect: "(?<n>.)", result: m'),
    ['5:48: devices[0].commands.c.result is "m", no named group of expect, allowed: n'],
  ],
  [
    command('send: A, expect: ".", result: m'),
    [
      '5:42: devices[0].commands.c.result is "m", no named group of expect, allowed: (?<NAME>…) in expect, which has none',
    ],
  ],
  [
    command("send: A, result: m"),
    ["5:21: devices[0].commands.c.result is given without expect, allowed: only with expect"],
  ],
  [
    command("send: A, type: integer"),
    ["5:21: devices[0].commands.c.type is given without expect, allowed: only with expect"],
  ],
  [
    command("send: A, lines: 2, until: x"),
    ["5:31: devices[0].commands.c.until does not go with lines, allowed: either of the two"],
  ],
  [
    command('send: A, expect: "(?<n>.)", fields: { n: integer }, type: integer'),
    ["5:64: devices[0].commands.c.type does not go with fields, allowed: either of the two"],
  ],
  [
    command('send: A, expect: "(?<n>.)", fields: { m: integer }'),
    ['5:53: devices[0].commands.c.fields.m is "m", no named group of expect, allowed: n'],
  ],
  [
    command("send: A, until: x, fields: { m: integer }"),
    ["5:31: devices[0].commands.c.fields is given without expect, allowed: only with expect"],
  ],
  [
    command("send: A, error: x"),
    ["5:21: devices[0].commands.c.error awaits no answer, allowed: only with expect, lines or until"],
  ],
  [
    command('send: "{x}", parameters: { x: { escape: double } }'),
    ["5:44: devices[0].commands.c.parameters.x.escape is given without quote, allowed: only with quote"],
  ],
  [
    command('send: "{x}", parameters: { x: { type: integer, quote: \'"\' } }'),
    ["5:59: devices[0].commands.c.parameters.x.quote does not go with type integer, allowed: type string"],
  ],
  [
    device("    line: { separators: a }\n"),
    ['4:25: devices[0].line.separators is "a", allowed: 1 to 16 marks, as ;'],
  ],
  [
    device("    commands: { c: { send: A, lines: 2 } }\n    readings: { r: { command: c } }\n"),
    [
      '5:31: devices[0].readings.r.command is "c", which is answered by several lines, allowed: a command without lines and until',
    ],
  ],
  [
    device(
      '    commands: { c: { send: A, expect: "(?<n>.)", fields: { n: integer } } }\n    readings: { r: { command: c } }\n',
    ),
    ["5:20: devices[0].readings.r has no result, allowed: one of the fields n"],
  ],
  [
    command('send: "{x}", parameters: { x: { type: int } }'),
    [
      '5:50: devices[0].commands.c.parameters.x.type is "int", allowed: one of integer number string boolean; nearest: integer',
    ],
  ],
  [
    command('send: "{x}", parameters: { x: { type: integer, minimum: 3, maximum: 1 } }'),
    ["5:68: devices[0].commands.c.parameters.x.minimum is 3, allowed: up to the maximum of 1"],
  ],
  [
    command('send: "{x}", parameters: { x: { minimum: 3 } }'),
    [
      "5:44: devices[0].commands.c.parameters.x.minimum does not go with type string, allowed: type integer or number",
    ],
  ],
  [
    command('send: "{x}", parameters: { x: { type: integer, maximum: 3, default: 5 } }'),
    ["5:80: devices[0].commands.c.parameters.x.default is 5, allowed: up to 3"],
  ],
  [
    command('send: "{x}", parameters: { x: { type: integer, enum: [1, a] } }'),
    ['5:69: devices[0].commands.c.parameters.x.enum[1] is "a", allowed: type integer'],
  ],
  [
    command('send: "{x}", parameters: { x: { pattern: "\\\\-" } }'),
    [
      '5:53: devices[0].commands.c.parameters.x.pattern does not compile: Invalid escape, allowed: a regular expression, as "^OK (?<value>[0-9]+)$"',
    ],
  ],
  [
    command('send: "{x}", parameters: { 1: { } }'),
    [
      "5:18: devices[0].commands.c.send names {x}, which is no parameter, allowed: a parameter x",
      '5:39: devices[0].commands.c.parameters has the key "1", allowed: 1 to 64 of A-Z a-z 0-9 _, the first no digit',
    ],
  ],
  [
    reading("command: d"),
    ['9:21: devices[0].readings.r.command is "d", which is no command of the device, allowed: one of c q n'],
  ],
  [
    reading("command: n"),
    ['9:21: devices[0].readings.r.command is "n", which awaits no answer, allowed: a command with expect'],
  ],
  [
    reading("command: q"),
    [
      '9:21: devices[0].readings.r.command is "q", whose parameter p has no default, allowed: a command whose parameters all have a default',
    ],
  ],
  [
    reading("command: c, match: x"),
    ["9:10: devices[0].readings.r has command and match, allowed: exactly one of command match"],
  ],
  [
    reading("unit: x"),
    ["9:10: devices[0].readings.r has none of them, allowed: exactly one of command match"],
  ],
  [
    reading("match: x, every: 1s"),
    ["9:22: devices[0].readings.r.every is given without command, allowed: only with command"],
  ],
  [
    reading("command: c, result: v"),
    [
      "9:24: devices[0].readings.r.result does not go with a command without fields, allowed: with match, or a command with fields",
    ],
  ],
  [
    reading("match: x, result: v"),
    [
      '9:30: devices[0].readings.r.result is "v", no named group of match, allowed: (?<NAME>…) in match, which has none',
    ],
  ],
  [
    reading("command: c, every: 10ms"),
    [
      '9:31: devices[0].readings.r.every is "10ms", allowed: a duration from 100ms to 1d, as 250ms 5s 10m 1h 1d',
    ],
  ],
  [
    reading("command: c, every: 5"),
    ["9:31: devices[0].readings.r.every is 5, allowed: a duration from 100ms to 1d, as 250ms 5s 10m 1h 1d"],
  ],
  [
    reading('command: c, deviceClass: "Temp!"'),
    [
      '9:37: devices[0].readings.r.deviceClass is "Temp!", allowed: a device class of Home Assistant, as temperature',
    ],
  ],
  [
    device("    readings: { state: { match: x } }\n"),
    [
      "4:17: devices[0].readings.state would take the place of the device's own topic devices/NAME/state, allowed: another name",
    ],
  ],
  [
    gateway("port: 1"),
    ["2:5: gateways[0] has no kind, allowed: one of tcp udp unix xmlrpc http ftp rfc2217 serial"],
  ],
  [
    gateway("kind: tpc, port: 1"),
    [
      '2:13: gateways[0].kind is "tpc", allowed: one of tcp udp unix xmlrpc http ftp rfc2217 serial; nearest: tcp',
    ],
  ],
  [gateway("kind: tcp"), ["2:5: gateways[0] has no port, allowed: an integer from 1 to 65535"]],
  [gateway("kind: tcp, port: 0"), ["2:24: gateways[0].port is 0, allowed: an integer from 1 to 65535"]],
  [
    gateway("kind: udp, port: 9, framing: line"),
    [
      "2:27: gateways[0] has framing, which only kind tcp unix may have, allowed: kind host port call arguments allow role aliases limits",
    ],
  ],
  [
    gateway("kind: http, port: 9, device: b"),
    [
      "2:28: gateways[0] has device, which only kind rfc2217 serial may have, allowed: kind host port allow role aliases limits tls tokens origins",
    ],
  ],
  [gateway("kind: http, port: 9, prot: 9"), ['2:28: gateways[0] has an unknown key "prot", nearest: port']],
  [
    gateway("kind: unix, path: run/x"),
    ['2:25: gateways[0].path is "run/x", allowed: an absolute path of up to 107 bytes'],
  ],
  [
    gateway(`kind: unix, path: /${"x".repeat(120)}`),
    [
      "2:25: gateways[0].path has 121 bytes, too many for a socket, allowed: an absolute path of up to 107 bytes",
    ],
  ],
  [
    gateway("kind: serial, port: 9, device: bnch"),
    ['2:38: gateways[0].device is "bnch", which is no device, allowed: a name in devices, which has none'],
  ],
  [
    gateway("kind: tcp, port: 7415"),
    ["2:24: gateways[0].port is 7415, which listen.port by default binds at ::, allowed: another TCP port"],
  ],
  [
    gateway("kind: tcp, port: 9 }\n  - { kind: http, port: 9, host: 0.0.0.0"),
    [
      "3:25: gateways[1].port is 9, which gateways[0].port on line 2 binds at 127.0.0.1, allowed: another TCP port",
    ],
  ],
  [
    gateway("kind: udp, port: 7415"),
    [
      "2:24: gateways[0].port is 7415, which discovery.port by default binds at ::, allowed: another UDP port",
    ],
  ],
  [
    gateway("kind: ftp, port: 9, user: pi"),
    ["2:27: gateways[0].user is given without passwordFile, allowed: only with passwordFile"],
  ],
  [
    gateway("kind: ftp, port: 9, passivePorts: 5-1"),
    ['2:41: gateways[0].passivePorts is "5-1", allowed: FROM-TO within 1024-65535, as 50000-50100'],
  ],
  [
    gateway("kind: tcp, port: 9, allow: math.*"),
    ['2:34: gateways[0].allow is "math.*", allowed: a list of 0 to 256 items'],
  ],
  [
    gateway("kind: tcp, port: 9, role: root"),
    ['2:33: gateways[0].role is "root", allowed: one of viewer operator admin'],
  ],
  [
    gateway("kind: tcp, port: 9, role: operater"),
    ['2:33: gateways[0].role is "operater", allowed: one of viewer operator admin; nearest: operator'],
  ],
  [
    gateway("kind: tcp, port: 9, framing: lines"),
    ['2:36: gateways[0].framing is "lines", allowed: one of chunk line block; nearest: line'],
  ],
  [
    gateway('kind: tcp, port: 9, aliases: { "a b": math.sum }'),
    ['2:38: gateways[0].aliases has the key "a b", allowed: 1 to 200 of A-Z a-z 0-9 _ . : / -'],
  ],
  [
    gateway('kind: tcp, port: 9, aliases: { a: "math sum" }'),
    ['2:41: gateways[0].aliases.a is "math sum", allowed: a procedure\'s name, as math.multiply'],
  ],
  [
    gateway("kind: tcp, port: 9, limits: { idle: 10 }"),
    ["2:43: gateways[0].limits.idle is 10, allowed: a duration from 1s to 1d, as 250ms 5s 10m 1h 1d"],
  ],
  [
    gateway("kind: http, port: 9, tls: { certificate: /a }"),
    ["2:33: gateways[0].tls has no key, allowed: an absolute path, as /srv/tether"],
  ],
  ["mqtt: {}\n", ["1:7: mqtt has none of them, allowed: exactly one of url broker"]],
  [
    'mqtt: { url: "mqtt://a", broker: { } }\n',
    ["1:7: mqtt has url and broker, allowed: exactly one of url broker"],
  ],
  [
    'mqtt: { url: "http://a" }\n',
    ['1:14: mqtt.url is "http://a", allowed: mqtt:// mqtts:// ws:// wss:// and a host'],
  ],
  [
    'mqtt: { url: "mqtt://u:p@a" }\n',
    ["1:14: mqtt.url has a user or a password in it, allowed: mqtt.username and mqtt.passwordFile"],
  ],
  [
    'mqtt: { url: "x://u:p@a" }\n',
    ["1:14: mqtt.url is no such URL, allowed: mqtt:// mqtts:// ws:// wss:// and a host"],
  ],
  [
    "mqtt: { broker: { }, passwordFile: /x }\n",
    ["1:22: mqtt.passwordFile is given without username, allowed: only with username"],
  ],
  [
    "mqtt: { broker: { port: 7415 } }\n",
    ["1:25: mqtt.broker.port is 7415, which listen.port by default binds at ::, allowed: another TCP port"],
  ],
  [
    'mqtt: { url: "mqtt://a", prefix: "a/#" }\n',
    [
      '1:34: mqtt.prefix is "a/#", allowed: levels of an MQTT topic, as tether or site/tether, without + # and no $ first',
    ],
  ],
  [
    "mqtt: true\n",
    ["1:7: mqtt is true, allowed: the keys url broker username passwordFile prefix homeAssistant allow role"],
  ],
  [
    "nmae: x\nlisten: { port: x }\nmqtt: { urll: y }\n",
    [
      '1:1: the configuration has an unknown key "nmae", nearest: name',
      '2:17: listen.port is "x", allowed: an integer from 0 to 65535',
      "3:7: mqtt has none of them, allowed: exactly one of url broker",
      '3:9: mqtt has an unknown key "urll", nearest: url',
    ],
  ],
  [
    "name: é\nfiles: { root: ~/x }\n",
    ['2:16: files.root is "~/x", allowed: an absolute path, as /srv/tether'],
  ],
  [
    'mqtt: { url: "mqtt://a", pasword: x }\n',
    ['1:26: mqtt has an unknown key "pasword", nearest: passwordFile'],
  ],
  [
    "files: { rout: /a, Quota: 1GiB }\n",
    [
      '1:10: files has an unknown key "rout", nearest: root',
      '1:20: files has an unknown key "Quota", nearest: quota',
    ],
  ],
  [
    'listen: { host: "::", host: "::1" }\n',
    ['1:23: listen has the key "host" twice, allowed: each key once'],
  ],
  ["listen: { port: 1_000 }\n", ['1:17: listen.port is "1_000", allowed: an integer from 0 to 65535']],
  [
    'name: "a\\nb"\n',
    [
      "1:7: name is \"a\\nb\", allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit",
    ],
  ],
  ["%FOO\n---\nname: x\n", ["1:1: an unknown directive, allowed: %YAML 1.2"]],
  [
    `name: "${"x".repeat(300)}"\n`,
    [
      "1:7: name is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\", allowed: up to 64 letters, digits, '.', '_' and '-', the first a letter or digit",
    ],
  ],
  [
    "devices: [{ name: a, serial: { simulate: run.txt } }]\n",
    [
      '1:42: devices[0].serial.simulate is "run.txt", not in this version, allowed: bench, or the absolute path of a recording',
    ],
  ],
  [
    "listen: { port: 8000 }\ngateways: [{ kind: http, port: 8000, host: localhost }]\n",
    ["2:32: gateways[0].port is 8000, which listen.port on line 1 binds at ::, allowed: another TCP port"],
  ],
  [
    "listen: { host: 10.0.0.1, port: 8000 }\ngateways: [{ kind: http, port: 8000, host: 10.0.0.2 }, { kind: ftp, port: 8000, host: 10.0.0.1 }]\n",
    [
      "2:75: gateways[1].port is 8000, which listen.port on line 1 binds at 10.0.0.1, allowed: another TCP port",
    ],
  ],
  [
    gateway("knd: tcp, port: 9"),
    [
      "2:5: gateways[0] has no kind, allowed: one of tcp udp unix xmlrpc http ftp rfc2217 serial",
      '2:7: gateways[0] has an unknown key "knd", nearest: kind',
    ],
  ],
  [
    gateway("kind: tcp, port: 9, tls: { }"),
    [
      "2:27: gateways[0] has tls, which only kind xmlrpc http ftp may have, allowed: kind host port call arguments framing greeting stop allow role aliases limits",
    ],
  ],
  [
    gateway("kind: unix, path: /a }\n  - { kind: unix, path: /a"),
    ['3:25: gateways[1].path is "/a", which gateways[0].path on line 2 has, allowed: each once'],
  ],
];

for (const [text, expected] of MISTAKES) {
  test(`mistakes of ${JSON.stringify(text.slice(-70))}`, () => {
    assert.deepEqual(
      mistakesOf(text),
      expected.map((line) => `f:${line}`),
    );
    assert.equal(check(text).configuration, undefined);
  });
}
