/**
 * A board on the other end of a serial line: the real MicroPython with its own raw REPL, on stdin and stdout.
 *
 * That port of MicroPython has no raw-paste mode, so the code here plays that part word by word after
 * https://docs.micropython.org/en/latest/reference/repl.html. The argument says how: `paste` has it, `refuse`
 * knows it and does without, `old` has never heard of it. A second one names a file that is written when it listens.
 *
 * It is a process of its own because code runs to its end in one call.
 */
import { readSync, writeFileSync } from "node:fs";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";

const [style = "paste", ready] = process.argv.slice(2);
const WINDOW = 32;

/** Bytes of the REPL's own "OK" that are still to be swallowed. */
let swallow = 0;
const python = await loadMicroPython({
  linebuffer: false,
  stdout(bytes) {
    lookForInterrupt();
    const kept = bytes.subarray(Math.min(swallow, bytes.length));
    swallow -= bytes.length - kept.length;
    if (kept.length > 0) process.stdout.write(kept);
  },
});

// The file system of this port has its host's error numbers; boards have MicroPython's own.
python.runPython(`
import os
class BoardFiles:
    def __init__(self):
        self._files = os.VfsPosix()
    def __getattr__(self, name):
        inner = getattr(self._files, name)
        def call(*args):
            try:
                return inner(*args)
            except OSError as error:
                raise OSError({44: 2, 20: 17}.get(error.args[0], error.args[0]))
        return call
_board = BoardFiles()
os.umount('/')
os.mount(_board, '/')
`);

/** A board hears Ctrl-C in an interrupt; here it is looked for whenever the running code prints. */
function lookForInterrupt() {
  if (!isRunning) return;
  const byte = Buffer.alloc(1);
  try {
    while (readSync(0, byte) === 1) {
      if (byte[0] === 0x03) python._module._mp_sched_keyboard_interrupt();
      else typedAhead.push(byte[0]);
    }
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
  }
}

let isRaw = false;
let isRunning = false;
/** What came while code ran. */
const typedAhead = [];
/** The last bytes of a possible wish to paste. */
let wish = [];
/** Code that is being pasted. */
let pasted;
let ended = false;

function feed(byte) {
  if (byte === 0x01) isRaw = true;
  if (byte === 0x02) isRaw = false;
  isRunning = byte === 0x04 && isRaw;
  const over = python.replProcessChar(byte);
  isRunning = false;
  if (over === 0) return;
  // Ctrl-D at the friendly prompt: the interpreter starts again, and with it the program on the board.
  process.stdout.write("MPY: soft reboot\r\n");
  try {
    python.runPython("import os\nif 'main.py' in os.listdir('/'):\n exec(open('/main.py').read())");
  } catch (error) {
    process.stdout.write(`${error.message}\r\n`);
  }
  python.replInit();
}

function beginPaste() {
  if (style === "refuse") {
    process.stdout.write("R\x00");
  } else if (style === "old") {
    process.stdout.write("raw REPL; CTRL-B to exit\r\n>");
  } else {
    pasted = [];
    ended = false;
    process.stdout.write(Buffer.from([0x52, 0x01, WINDOW, 0, 0x01]));
  }
}

function paste(byte) {
  if (byte === 0x03) {
    pasted = undefined;
    process.stdout.write("\x04Traceback (most recent call last):\r\nKeyboardInterrupt: \r\n\x04>");
    return;
  }
  if (byte === 0x04) {
    const code = pasted;
    pasted = undefined;
    if (!ended) process.stdout.write("\x04");
    swallow = 2;
    for (const each of [...code, 0x04]) feed(each);
    return;
  }
  if (ended) return;
  pasted.push(byte);
  if (Buffer.from(pasted).includes("# enough")) {
    ended = true;
    process.stdout.write("\x04");
  } else if (pasted.length % WINDOW === 0) process.stdout.write("\x01");
}

function take(byte) {
  if (pasted !== undefined) {
    paste(byte);
    return;
  }
  if (!isRaw) {
    feed(byte);
    return;
  }
  const expected = [0x05, 0x41, 0x01][wish.length];
  if (byte === expected) {
    wish.push(byte);
    if (wish.length < 3) return;
    wish = [];
    beginPaste();
    return;
  }
  for (const each of [...wish.splice(0), byte]) feed(each);
}

python.replInit();
process.stdin.on("data", (bytes) => {
  for (const byte of bytes) take(byte);
  while (typedAhead.length > 0) take(typedAhead.shift());
});
if (ready !== undefined) writeFileSync(ready, "");
process.stdin.on("end", () => process.exit(0));
