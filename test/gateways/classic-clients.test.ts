/** The clients that people have written for years, each in a few lines of Python. */
import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { missing } from "../peers.ts";
import { python } from "./python.ts";

const skip = missing("python3");
const [compute = 0, echo = 0, upper = 0, blocks = 0] = await freePorts(4);
if (skip === false) {
  await startAgent(
    { after },
    {
      configuration: {
        gateways: [
          { kind: "tcp", port: compute, call: "math.multiply", framing: "chunk", greeting: "Two numbers:" },
          { kind: "tcp", port: echo, call: "text.echo", framing: "chunk", arguments: "text", stop: "quit" },
          { kind: "udp", port: upper, call: "text.upper", arguments: "text" },
          { kind: "tcp", port: blocks, framing: "block", call: "text.lower", arguments: "text" },
        ],
      },
    },
  );
}

suite("classic clients in Python", { skip }, () => {
  test("two numbers are computed for many clients at once", async () => {
    const program = `
import socket, sys, threading
wrong = []
def client(n):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        assert s.recv(1024) == b"Two numbers:"
        for k in range(20):
            s.sendall(f"{n} {k}".encode())
            answer = s.recv(1024).decode()
            if answer != str(n * k): wrong.append((n, k, answer))
threads = [threading.Thread(target=client, args=(n,)) for n in range(100)]
for t in threads: t.start()
for t in threads: t.join()
print(len(threads), wrong)`;
    assert.equal(await python(program, compute), "100 []\n");
  });

  test("an echo of whatever is sent, until the stop word", async () => {
    const program = `
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for message in ["Hello, world", "  blanks stay  ", "Grüße 🌡", "two\\nlines\\n"]:
    s.sendall(message.encode())
    assert s.recv(1024).decode() == message, message
s.sendall(b"quit")
assert s.recv(1024) == b""
print("ok")`;
    assert.equal(await python(program, echo), "ok\n");
  });

  test("capital letters over UDP", async () => {
    const program = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
for message in ["hello", "grüße", "", "x" * 60000]:
    s.sendto(message.encode(), ("127.0.0.1", int(sys.argv[1])))
    answer, sender = s.recvfrom(65535)
    assert answer.decode() == message.upper() and sender[1] == int(sys.argv[1])
print("ok")`;
    assert.equal(await python(program, upper), "ok\n");
  });

  test("blocks with their length before them, sent and received in part", async () => {
    const program = `
import socket, struct, sys
def receive(s, count):
    data = b""
    while len(data) < count:
        part = s.recv(min(count - len(data), 1000))
        assert part
        data += part
    return data
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for message in ["Hello", "", "GRÜSSE " * 100000]:
    data = message.encode()
    packet = struct.pack("!I", len(data)) + data
    while packet:
        packet = packet[s.send(packet[:4093]):]
    length, = struct.unpack("!I", receive(s, 4))
    assert receive(s, length).decode() == message.lower()
print("ok")`;
    assert.equal(await python(program, blocks), "ok\n");
  });
});
