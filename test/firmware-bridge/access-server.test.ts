import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { suite, type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { MemoryCable } from "../../firmware-bridge/link/memory.ts";
import { AccessServer, type PortControl } from "../../firmware-bridge/rfc2217/index.ts";
import { TetherError } from "../../protocol/errors.ts";
import { COM_PORT } from "../../protocol/limits.ts";
import { python } from "../gateways/python.ts";
import { needs } from "../peers.ts";
import { ComPortOnLink } from "./com-port-on-link.ts";
import { until } from "./until.ts";

const GREETING = "fffb00fffb03fffd00fffd03fffd2c";

/** An access server on one end of a cable in memory, and what it says. */
class Bench {
  readonly cable = new MemoryCable();
  readonly fromPort: Buffer[] = [];
  readonly board;
  readonly port;
  readonly server: AccessServer;
  said = "";
  backlog: boolean[] = [];
  failure: TetherError | undefined;
  noise: string[] = [];
  /** What the client is to say of taking more. */
  takesMore = true;

  constructor({ hasLines = true } = {}) {
    this.board = this.cable.ends[1].open({
      received: (bytes) => this.fromPort.push(Buffer.from(bytes)),
      ended() {},
    });
    const link = this.cable.ends[0].open({
      received: (bytes) => {
        this.port.received(bytes);
        this.server.flush();
      },
      ended() {},
    });
    this.port = new ComPortOnLink(link, { hasLines });
    this.server = new AccessServer({
      port: this.port,
      signature: "Tether",
      send: (bytes) => {
        this.said += bytes.toString("hex");
        return this.takesMore;
      },
      onBacklog: (isFull) => this.backlog.push(isFull),
      onFailed: (error) => {
        this.failure = error;
      },
      onNoise: (what) => this.noise.push(what),
    });
    this.server.start();
    assert.equal(this.take(), GREETING);
  }

  /** One whose client has offered the option, and has been told of the lines. */
  static async agreed(): Promise<Bench> {
    const bench = new Bench();
    assert.equal(await bench.say("fffb2c"), sb("6bb0"));
    return bench;
  }

  /** Says something and gives what is said then. */
  async say(hex: string): Promise<string> {
    this.server.receive(Buffer.from(hex, "hex"));
    return await this.settle();
  }

  async settle(): Promise<string> {
    for (let turns = 0; turns < 5; turns++) await turn();
    return this.take();
  }

  take(): string {
    const { said } = this;
    this.said = "";
    return said;
  }

  get portHas(): string {
    return Buffer.concat(this.fromPort).toString("hex");
  }
}

const sb = (hex: string) => `fffa2c${hex}fff0`;

suite("access server", () => {
  test("every command is answered with the value in force", async () => {
    const bench = await Bench.agreed();
    const cases: readonly (readonly [command: string, answer: string])[] = [
      ["0100000000", "6500002580"],
      ["010001c200", "650001c200"],
      ["01ffffffffffffffff", "650001c200"],
      ["0100000000", "650001c200"],
      ["0200", "6608"],
      ["0207", "6607"],
      ["0204", "6607"],
      ["0300", "6701"],
      ["0303", "6703"],
      ["0309", "6703"],
      ["0400", "6801"],
      ["0403", "6803"],
      ["0402", "6802"],
      ["0500", "6901"],
      ["0503", "6903"],
      ["0511", "6903"],
      ["050d", "6910"],
      ["050f", "690f"],
      ["0512", "690f"],
      ["0501", "6901"],
      ["0504", "6906"],
      ["0505", "6905"],
      ["0504", "6905"],
      ["0506", "6906"],
      ["0507", "6908"],
      ["0509", "6909"],
      ["0507", "6909"],
      ["050a", "690b"],
      ["050c", "690c"],
      ["050a", "690c"],
      ["06", "6a60"],
      ["0a12", "6e12"],
      ["0bffff", "6fffff"],
      ["0c01", "7001"],
      ["0c03", "7003"],
      ["00", `64${Buffer.from("Tether").toString("hex")}`],
    ];
    for (const [command, answer] of cases) assert.equal(await bench.say(sb(command)), sb(answer), command);
    assert.deepEqual(
      [
        await bench.say(sb("00414243")),
        await bench.say(sb("63")),
        await bench.say(sb("0520")),
        await bench.say(sb("0c00")),
      ],
      ["", "", "", ""],
    );
    assert.deepEqual(bench.noise, ["the command 99 without a value", "SET-CONTROL 32", "PURGE-DATA 0"]);
    // The break and the lines have reached the other end of the cable.
    assert.deepEqual(await bench.board.inputLines(), { cts: false, dsr: false, dcd: false });
  });

  test("data and commands take effect in their order, and settings in a row at once", async () => {
    const bench = new Bench();
    await bench.say(`4142${sb("0100004b00")}${sb("0207")}${sb("0303")}43${sb("0508")}44${sb("0100009600")}`);
    assert.deepEqual(bench.port.asked, [
      "write 2",
      'configure {"baudRate":19200,"dataBits":7,"parity":"even"}',
      "write 1",
      'lines {"dtr":true}',
      "write 1",
      'configure {"baudRate":38400}',
    ]);
    assert.equal(bench.portHas, "41424344");
  });

  test("one setting that cannot be had leaves those beside it", async () => {
    const bench = await Bench.agreed();
    const answers = await bench.say(sb("01ffffffffffffffff") + sb("0207") + sb("0305"));
    assert.equal(answers, sb("6500002580") + sb("6607") + sb("6705"));
  });

  test("0xFF is doubled everywhere, both ways", async () => {
    const bench = new Bench();
    await bench.say("fffb2cfffd00fffb00ffff00ffff");
    assert.equal(bench.portHas, "ff00ff");
    bench.take();
    await bench.board.write(Buffer.from("ff0d00ff", "hex"));
    assert.equal(await bench.settle(), "ffff0d00ffff");
    assert.equal(await bench.say(sb("0bffff")), sb("6fffff"));
  });

  test("a client that refuses binary gets a carriage return as Telnet has it", async () => {
    const bench = new Bench();
    assert.equal(await bench.say("fffc00fffe00410d000d0a"), "");
    assert.equal(bench.portHas, "410d0d0a");
    await bench.board.write(Buffer.from("0d0a0d", "hex"));
    assert.equal(await bench.settle(), "0d000a0d00");
  });

  test("lines are told of once, then when they change, as the mask has it", async () => {
    const bench = new Bench();
    await bench.board.setLines({ rts: false });
    assert.equal(await bench.say("fffb2c"), sb("6ba0"));
    await bench.server.lookAtLines();
    assert.equal(bench.take(), "");
    await bench.board.setLines({ rts: true });
    await bench.server.lookAtLines();
    assert.equal(bench.take(), sb("6bb1"));
    await bench.say(sb("0b80"));
    await bench.board.setLines({ rts: false });
    await bench.server.lookAtLines();
    // What the mask leaves of the new state is sent, whichever bit has changed (RFC 2217 §3).
    assert.equal(bench.take(), sb("6b80"));
    await bench.board.setLines({ dtr: false });
    await bench.server.lookAtLines();
    assert.equal(bench.take(), "");
    assert.equal(await bench.say(sb("07")), sb("6b00"));
    // A client that never offers the option, and uses it, is told as well.
    const without = new Bench({ hasLines: false });
    assert.equal(await without.say(sb("0200")), sb("6bb0") + sb("6608"));
    assert.equal(await without.say("fffb2c"), "");
    assert.equal(await without.say(sb("0509")), sb("6909"));
    assert.equal(await without.say(sb("0507")), sb("6909"));
  });

  test("a client that asks for silence gets it, and afterwards what it has missed", async () => {
    const bench = await Bench.agreed();
    await bench.say(sb("08"));
    await bench.board.write(Buffer.from("hello"));
    assert.equal(await bench.say(sb("0100000000")), "");
    assert.equal(await bench.say(sb("09")), sb("6500002580") + Buffer.from("hello").toString("hex"));
    await bench.say(sb("08"));
    for (let asked = 0; asked < 10_000 && bench.failure === undefined; asked++)
      await bench.say(sb("0100000000"));
    assert.equal(bench.failure?.code, "limit");
  });

  test("a client that does not read is given nothing more, and told of what is lost where it wants to be", async () => {
    const bench = new Bench();
    await bench.say(sb("0a02"));
    bench.takesMore = false;
    await bench.board.write(Buffer.from("a"));
    assert.equal(await bench.settle(), "61");
    await bench.board.write(Buffer.from("b"));
    bench.server.overrun();
    bench.server.overrun();
    assert.equal(await bench.settle(), sb("6a02"));
    bench.takesMore = true;
    bench.server.drained();
    assert.equal(bench.take(), "62");
    bench.takesMore = false;
    bench.server.overrun();
    bench.take();
    await bench.board.write(Buffer.from("c"));
    assert.equal(await bench.settle(), "");
    await bench.say(sb("0c01"));
    bench.server.drained();
    assert.equal(await bench.settle(), "");
  });

  test("a port that takes nothing holds the client up, until the client throws its bytes away", async () => {
    const bench = new Bench();
    let take = () => {};
    bench.port.slow = new Promise<void>((resolve) => {
      take = resolve;
    });
    bench.server.receive(Buffer.from("fffb2c", "hex"));
    await bench.settle();
    const lot = Buffer.alloc(COM_PORT.waitingBytes, 0x41);
    for (let count = 0; count < 3; count++) bench.server.receive(lot);
    assert.deepEqual(bench.backlog, [true]);
    assert.equal(bench.take(), sb("6c"));
    bench.server.receive(Buffer.from(sb("0c02"), "hex"));
    assert.deepEqual(bench.backlog, [true, false]);
    assert.equal(await bench.settle(), sb("6d"));
    take();
    bench.port.slow = undefined;
    assert.equal(await bench.settle(), sb("7002"));
    assert.deepEqual(
      bench.port.asked.filter((one) => !one.startsWith("write")),
      ["purge false true"],
    );
    assert.ok(bench.portHas.length / 2 <= 2 * COM_PORT.writeAhead);
  });

  test("a port that fails ends it", async () => {
    const bench = new Bench();
    const port: PortControl = bench.port;
    port.write = async () => {
      throw new TetherError("device-missing", "it is gone");
    };
    await bench.say("41");
    assert.equal(bench.failure?.code, "device-missing");
    assert.equal(await bench.say(sb("0100000000")), "");
  });

  test("Telnet's break is one that ends", async () => {
    const bench = await Bench.agreed();
    const answer = await untilSaid(bench, await bench.say(`fff3${sb("0504")}41`), sb("6906"));
    assert.equal(answer, sb("6906"));
    assert.deepEqual(bench.port.asked, ['lines {"break":true}', 'lines {"break":false}', "write 1"]);
  });

  test("a client that knows no Telnet gets the bytes as they are", async () => {
    const bench = new Bench();
    assert.equal(await bench.say("30200d00"), "");
    await bench.say("ff00fffa2c0100000000fff0");
    assert.equal(bench.portHas, "30200d00ff00fffa2c0100000000fff0");
    await bench.board.write(Buffer.from("14ff0d10", "hex"));
    assert.equal(await bench.settle(), "14ff0d10");
  });

  test("garbage ends nothing", async () => {
    const seed = randomInt(2 ** 31);
    let state = seed;
    const random = (bound: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >> 8) % bound;
    };
    for (let round = 0; round < 100; round++) {
      const bench = await Bench.agreed();
      const bytes = Array.from({ length: 400 }, () => {
        const pick = random(6);
        return pick === 0 ? 255 : pick === 1 ? 244 + random(12) : pick === 2 ? 44 : random(20);
      });
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random(40);
        bench.server.receive(Buffer.from(bytes.slice(at, end)));
        await turn();
        at = end;
      }
      if (bench.failure !== undefined) assert.equal(bench.failure.code, "limit", `seed ${seed}`);
      // It is ready for a client that means something, silence and an open subnegotiation ended.
      bench.take();
      const said = await bench.say(`41fff0${sb("09")}${sb("0100000000")}`);
      const told = await untilSaid(bench, said, "fffa2c65");
      assert.ok(told.includes("fffa2c65"), `seed ${seed}: ${told}`);
    }
  });
});

/** A Telnet break may be under way. */
async function untilSaid(bench: Bench, said: string, what: string): Promise<string> {
  let all = said;
  await until(async () => {
    all += await bench.settle();
    return all.includes(what);
  }, `${what} in ${all}`);
  return all;
}

suite("access server over TCP", () => {
  test("pyserial opens, sets and uses it", async (t) => {
    if (!needs(t, "pyserial")) return;
    const { bench, port } = await listening(t);
    bench.board.setLines({ rts: false });
    const told = await python(
      `
import serial, sys
p = serial.serial_for_url("rfc2217://127.0.0.1:" + sys.argv[1], baudrate=115200, bytesize=7, parity="E", stopbits=2, timeout=10)
print(p.baudrate, p.bytesize, p.parity, p.stopbits, p.cts, p.dsr, p.cd, p.ri)
p.dtr = False
p.rts = False
p.dtr = True
p.break_condition = True
p.break_condition = False
p.xonxoff = True
p.xonxoff = False
p.baudrate = 250000
p.bytesize = 8
p.parity = "N"
p.stopbits = 1
try:
    p.baudrate = 4000000000
    print("taken")
except ValueError as error:
    print(error)
p.reset_input_buffer()
p.reset_output_buffer()
p.close()
`,
      port,
    );
    assert.deepEqual(told.trim().split("\n"), [
      "115200 7 E 2 False True True False",
      "remote rejected value for option 'baudrate'",
    ]);
    const { asked, settings } = bench.port;
    assert.deepEqual(settings, {
      baudRate: 250_000,
      dataBits: 8,
      parity: "none",
      stopBits: 1,
      flowControl: "none",
    });
    for (const what of [
      'lines {"dtr":false}',
      'lines {"rts":false}',
      'lines {"break":true}',
      'lines {"break":false}',
      "purge true false",
      "purge false true",
      'configure {"flowControl":"software"}',
    ]) {
      assert.ok(asked.includes(what), `${what} in ${asked.join("; ")}`);
    }
  });

  test("pyserial's megabyte comes through and back whole", async (t) => {
    if (!needs(t, "pyserial")) return;
    const { bench, port } = await listening(t, { hasLines: false });
    bench.port.asked.length = 0;
    const told = await python(
      `
import serial, sys, threading, os
p = serial.serial_for_url("rfc2217://127.0.0.1:" + sys.argv[1], timeout=30)
data = b"".join(b"\\xff" * 512 + os.urandom(256) + bytes([255, 240, 255, 13, 0, 13, 10, 255]) * 32 for _ in range(1024))
threading.Thread(target=lambda: [p.write(data[i:i+4096]) for i in range(0, len(data), 4096)]).start()
back = p.read(len(data))
print(len(data), back == data)
p.close()
`,
      port,
    );
    assert.equal(told.trim(), "1048576 True");
  });
});

/** A bench whose server one TCP client reaches, and whose board sends back all that it gets. */
async function listening(
  t: TestContext,
  options?: { hasLines: boolean },
): Promise<{ bench: Bench; port: number }> {
  const bench = new Bench(options);
  let socket: Socket | undefined;
  const served = new AccessServer({
    port: bench.port,
    signature: "Tether",
    send: (bytes) => socket?.write(bytes) ?? true,
    onBacklog: (isFull) => (isFull ? socket?.pause() : socket?.resume()),
    onFailed: (error) => assert.fail(error),
  });
  Object.defineProperty(bench, "server", { value: served });
  bench.fromPort.push = (...bytes) => {
    for (const one of bytes) void bench.board.write(one);
    return 0;
  };
  const server = createServer({ noDelay: true }, (client) => {
    socket = client;
    client.on("data", (bytes) => served.receive(bytes));
    client.on("drain", () => served.drained());
    client.on("error", () => undefined);
    served.start();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    socket?.destroy();
    server.close();
  });
  const address = server.address();
  return { bench, port: typeof address === "object" ? (address?.port ?? 0) : 0 };
}
