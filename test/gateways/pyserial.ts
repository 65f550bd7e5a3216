import assert from "node:assert/strict";
import { python } from "./python.ts";

const OPEN = `
import serial, sys, os, threading
p = serial.serial_for_url("rfc2217://127.0.0.1:" + sys.argv[1], baudrate=115200, timeout=30)
`;

const USE = `
print(p.cts, p.dsr, p.cd)
p.dtr = False
p.rts = False
p.dtr = True
p.rts = True
p.break_condition = True
p.break_condition = False
p.send_break(0.01)
for baud in (9600, 250000, 115200):
    p.baudrate = baud
for size in (7, 8):
    p.bytesize = size
for parity in "EON":
    p.parity = parity
for stop in (2, 1):
    p.stopbits = stop
p.rtscts = True
p.rtscts = False
p.xonxoff = True
p.xonxoff = False
try:
    p.parity = "M"
except ValueError as error:
    print(error)
p.parity = "N"
try:
    p.stopbits = 1.5
except ValueError as error:
    print(error)
p.stopbits = 1
p.write(b"hello")
print(p.read(5))
p.reset_input_buffer()
p.reset_output_buffer()
p.close()
`;

/** Lets pyserial open, set and use an RFC 2217 port on a pseudo-terminal whose board sends everything back. */
export async function pyserialUses(port: number): Promise<void> {
  const told = await python(`${OPEN}${USE}`, port);
  assert.deepEqual(told.trim().split("\n"), [
    "True True True",
    "remote rejected value for option 'parity'",
    "remote rejected value for option 'stopsize'",
    "b'hello'",
  ]);
}

const MEGABYTE = `
data = b"".join(b"\\xff" * 700 + os.urandom(292) + bytes([255, 240, 255, 13, 0, 13, 10, 255]) * 4 for _ in range(1024))
threading.Thread(target=lambda: [p.write(data[i:i+4096]) for i in range(0, len(data), 4096)]).start()
back = p.read(len(data))
print(len(data), back == data)
p.close()
`;

/** Lets pyserial send a megabyte full of 0xFF to a board that sends everything back. */
export async function pyserialEchoesMegabyte(port: number): Promise<void> {
  assert.equal((await python(`${OPEN}${MEGABYTE}`, port)).trim(), "1048576 True");
}
