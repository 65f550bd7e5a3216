"""A board at the far end of a pseudo-terminal: `serial-board.py PATH` sends everything back, or says and checks.

Told `{"rate": BYTES_A_SECOND, "seconds": N}` by a line, it says so many bytes of the pattern, hears as many, and
answers with what was wrong.
"""

import json
import os
import select
import sys
import time
import tty

PERIOD = 65_521
PATTERN = bytes((31 * n + (n >> 8)) & 0xFF for n in range(PERIOD)) * 3


def echo(port):
    while True:
        os.write(port, os.read(port, 65536))


def say_and_hear(port, rate, seconds):
    """Gives how many bytes were said, heard, and were not those expected."""
    size = int(rate * seconds)
    said = heard = wrong = 0
    start = last = time.monotonic()
    while said < size or heard < size:
        now = time.monotonic()
        due = min(size, int(rate * (now - start)))
        readable, writable, _ = select.select([port], [port] if said < due else [], [], 0.002)
        if readable:
            piece = os.read(port, 65536)
            at = heard % PERIOD
            if piece != PATTERN[at : at + len(piece)]:
                wrong += 1
            heard += len(piece)
            last = now
        if writable:
            at = said % PERIOD
            said += os.write(port, PATTERN[at : at + min(due - said, 4096)])
        if now - max(last, start + seconds) > 3:
            break
    return {"said": said, "heard": heard, "wrong": wrong}


def main():
    port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    print('"ready"', flush=True)
    if sys.argv[2:] == ["echo"]:
        echo(port)
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(say_and_hear(port, task["rate"], task["seconds"])), flush=True)


main()
