import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, suite, test } from "node:test";
import { DatagramRate } from "../../agent/gateways/datagram-rate.ts";
import { GATEWAYS } from "../../protocol/index.ts";
import { programArguments, startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { createLab, type Lab } from "../network.ts";
import { missing, PYTHON } from "../peers.ts";

const [upper = 0, named = 0] = await freePorts(2);
const agent = await startAgent(
  { after },
  {
    configuration: {
      gateways: [
        { kind: "udp", port: upper, call: "text.upper", arguments: "text", limits: { requestBytes: 50_000 } },
        { kind: "udp", port: named, allow: ["math.*", "text.*", "net.*", "bytes.*"] },
      ],
    },
  },
);

suite("text over UDP", () => {
  test("a datagram is a request; mistakes are answered", async (t) => {
    const ask = asker(t, named);
    assert.equal(await ask("math.multiply 6 7"), "42");
    assert.match(await ask("net.resolve localhost"), /127\.0\.0\.1|::1/);
    assert.match(await ask("nothing.here"), /^error: not-found: no procedure/);
    assert.match(await ask("system.info"), /^error: forbidden: /);
    assert.match(await ask(Buffer.from("math.add \xff", "latin1")), /^error: invalid: /);
    assert.match(await ask("math.multiply 6 x"), /^error: invalid: math\.multiply: argument "b"/);
    assert.match(await asker(t, upper)("x".repeat(50_001)), /^error: limit: .*50000/);
  });

  test("an answer is never more than a few times its request", async (t) => {
    const ask = asker(t, named);
    for (const request of ["system.listMethods", "rpc.discover", "math.evaluate 2**4000", "x", ""]) {
      const answer = Buffer.byteLength(await ask(request));
      assert.ok(answer + 28 <= GATEWAYS.amplification * (request.length + 28), `${request}: ${answer}`);
    }
    assert.match(await ask("system.listMethods"), /^error: limit: the answer has \d+ bytes, \d+ at most/);
    // With room enough it comes.
    assert.match(await ask(`math.evaluate ${" ".repeat(400)}2**4000`), /^13182\d{1200}$/);
  });

  test("errors of others are not answered, or two programs would never end", async (t) => {
    const socket = createSocket("udp4");
    t.after(() => socket.close());
    await new Promise<void>((resolve) => socket.connect(named, "127.0.0.1", resolve));
    socket.send("error: not-found: x");
    socket.send("math.add 1 2");
    const [answer] = await once(socket, "message");
    assert.equal(String(answer), "3");
  });

  test("an address is answered so many times a second", () => {
    const rate = new DatagramRate();
    const most = GATEWAYS.datagramsPerAddress;
    const answered = (address: string, now: number) =>
      Array.from({ length: 2 * most }, () => rate.take(address, now)).filter(Boolean).length;
    assert.equal(answered("10.0.0.1", 0), most);
    assert.equal(answered("10.0.0.2", 0), most);
    assert.equal(answered("10.0.0.1", 500), most / 2);
    assert.equal(answered("2001:db8::1", 0), most);
    assert.equal(answered("2001:db8::2", 0), 0);
    assert.equal(answered("10.0.0.1", 10_000), most);
  });

  test("a flood is answered in part, and told of", async (t) => {
    const socket = createSocket("udp4");
    t.after(() => socket.close());
    await new Promise<void>((resolve) => socket.connect(upper, "127.0.0.1", resolve));
    const refused = agent.line("gateway-refused", ({ kind }) => kind === "udp");
    const flood = setInterval(() => {
      for (let n = 0; n < 400; n++) socket.send("x", () => undefined);
    }, 5);
    t.after(() => clearInterval(flood));
    assert.match((await refused).message, /too many datagrams from one address/);
  });
});

suite("UDP on a network that loses datagrams", { skip: missing("netns", "python3") }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tether-udp-"));
  let lab: Lab;

  before(async () => {
    lab = await createLab({ laptop: ["red"], pi: ["red"] });
    const configuration = {
      name: "pi",
      discovery: { broadcast: false },
      gateways: [{ kind: "udp", host: "0.0.0.0", port: 1234, call: "text.upper", arguments: "text" }],
    };
    const file = join(folder, "agent.yaml");
    writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
    const run = [process.execPath, ...programArguments("tetherd"), "run"];
    const child = lab.host("pi").spawn([...run, "--config", file, "--state", join(folder, "state")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    assert.ok(child.stdout);
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('"event":"ready"')) break;
    }
  });
  after(async () => {
    await lab.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a client that asks again with doubled time-outs gets every answer", async () => {
    await lab.loss(30);
    const program = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked = 0
for n in range(30):
    message = f"message {n}"
    timeout = 0.02
    while True:
        s.settimeout(timeout)
        s.sendto(message.encode(), (sys.argv[1], 1234))
        asked += 1
        try:
            answer = s.recv(1024).decode()
            while answer != message.upper(): answer = s.recv(1024).decode()
            break
        except socket.timeout:
            timeout = min(2 * timeout, 0.5)
print(asked)`;
    const asked = await lab.host("laptop").exec([PYTHON, "-c", program, lab.host("pi").addresses[0] ?? ""]);
    await lab.loss(0);
    // Half of the attempts are lost one way or the other.
    assert.ok(Number(asked) > 33, asked);
  });

  test("what is broadcast is answered from the agent's own address", async () => {
    const program = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.settimeout(10)
for target in ["10.77.1.255", "255.255.255.255"]:
    s.bind((sys.argv[1], 0)) if target.startswith("255") else None
    s.sendto(b"who is there", (target, 1234))
    print(s.recvfrom(1024))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.settimeout(10)`;
    const [own = ""] = lab.host("laptop").addresses;
    const [pi = ""] = lab.host("pi").addresses;
    const heard = await lab.host("laptop").exec([PYTHON, "-c", program, own]);
    assert.equal(heard, `(b'WHO IS THERE', ('${pi}', 1234))\n`.repeat(2));
  });
});

/** Asks one request after the other over one socket. */
function asker(t: { after(action: () => unknown): void }, port: number) {
  const socket: Socket = createSocket("udp4");
  t.after(() => socket.close());
  return async (request: string | Buffer): Promise<string> => {
    const answer = once(socket, "message", { signal: AbortSignal.timeout(20_000) });
    socket.send(request, port, "127.0.0.1");
    return String((await answer)[0]);
  };
}
