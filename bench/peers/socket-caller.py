"""Calls over plain TCP between two processes of Python: what a script without any library would do."""

import json
import os
import socket
import struct
import sys
import time

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "math.multiply", "params": [6, 7]}


class Frames:
    """JSON documents, each behind its length as four big-endian bytes."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""

    def receive(self):
        """Gives the documents that one read completes."""
        chunk = self.connection.recv(65536)
        if not chunk:
            raise EOFError
        data, at, documents = self.rest + chunk, 0, []
        while len(data) - at >= 4:
            end = at + 4 + struct.unpack_from(">I", data, at)[0]
            if len(data) < end:
                break
            documents.append(json.loads(data[at + 4 : end]))
            at = end
        self.rest = data[at:]
        return documents

    def send(self, documents):
        """Writes all documents at once."""
        texts = [json.dumps(document).encode() for document in documents]
        self.connection.sendall(b"".join(struct.pack(">I", len(text)) + text for text in texts))


def serve(listener):
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    frames = Frames(connection)
    try:
        while True:
            answers = []
            for call in frames.receive():
                a, b = call["params"]
                answers.append({"jsonrpc": "2.0", "id": call["id"], "result": a * b})
            if answers:
                frames.send(answers)
    except (EOFError, ConnectionResetError):
        pass


def latency(frames, calls):
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        frames.send([REQUEST])
        while not frames.receive():
            pass
        times.append(1e6 * (time.perf_counter() - start))
    times.sort()
    return {"p50": times[calls // 2], "p99": times[calls * 99 // 100]}


def rate(frames, in_flight, milliseconds):
    calls, start = 0, time.perf_counter()
    frames.send([REQUEST] * in_flight)
    waiting = in_flight
    while time.perf_counter() - start < milliseconds / 1000:
        answers = frames.receive()
        calls += len(answers)
        frames.send([REQUEST] * len(answers))
    seconds = time.perf_counter() - start
    while waiting:
        waiting -= len(frames.receive())
    return {"rate": calls / seconds}


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    if os.fork() == 0:
        serve(listener)
        os._exit(0)
    listener.close()
    frames = Frames(socket.create_connection(address))
    frames.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print('"ready"', flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if task["measure"] == "latency":
            figures = latency(frames, task["calls"])
        else:
            figures = rate(frames, task["inFlight"], task["milliseconds"])
        print(json.dumps(figures), flush=True)


main()
