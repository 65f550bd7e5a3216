"""Sends a byte and waits for it to come back: over TCP to the port N, or on the terminal at the path."""

import json
import os
import socket
import sys
import time
import tty


def connected(where):
    """Gives how one writes there and reads from there."""
    if where.startswith("/"):
        port = os.open(where, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(port)
        return lambda: os.write(port, b"x"), lambda: os.read(port, 64)
    connection = socket.create_connection(("127.0.0.1", int(where)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # What a server says first is no echo.
    connection.settimeout(0.3)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        pass
    connection.settimeout(None)
    return lambda: connection.sendall(b"x"), lambda: connection.recv(64)


def main():
    write, read = connected(sys.argv[1])
    print('"ready"', flush=True)
    for line in sys.stdin:
        count = json.loads(line)["count"]
        times = []
        for _ in range(count):
            start = time.perf_counter()
            write()
            read()
            times.append(1e6 * (time.perf_counter() - start))
        times.sort()
        print(json.dumps({"p50": times[count // 2], "p99": times[count * 99 // 100]}), flush=True)


main()
