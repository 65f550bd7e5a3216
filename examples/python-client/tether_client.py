#!/usr/bin/python3
"""Calls a procedure of a Tether agent, with nothing but Python's standard library.

    tether_client.py KEY_FILE FINGERPRINT HOST PORT PROCEDURE [JSON_ARGUMENT...]

KEY_FILE holds the key and the certificate of a paired controller, FINGERPRINT is the agent's: both are in the
folder of `tether`, key.pem and agents.json. Python cannot pair, because it does not export keying material.
"""
import base64, hashlib, json, socket, ssl, struct, sys

HELLO, CLOSE, PING, PONG, OPEN, DOCUMENT, DATA, CREDIT, RESET = 1, 2, 3, 4, 0x10, 0x11, 0x12, 0x13, 0x14
END, MORE = 1, 2
CALL = 2
WINDOW = 256 * 1024
PIECE = 64 * 1024 - 1


def public_key_info(certificate):
    """The SubjectPublicKeyInfo in a DER certificate (RFC 5280, section 4.1)."""

    def element(at):
        """Where the content of the element at `at` begins, and where it ends."""
        length, at = certificate[at + 1], at + 2
        if length >= 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(certificate[at : at + count], "big"), at + count
        return at, at + length

    at, _ = element(0)  # Certificate
    at, _ = element(at)  # TBSCertificate
    for _ in range(6):  # version, serialNumber, signature, issuer, validity, subject
        at = element(at)[1]
    return certificate[at : element(at)[1]]


class Agent:
    def __init__(self, key_file, fingerprint, host, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["tether"])
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the pin decides
        context.load_cert_chain(key_file)
        self.socket = context.wrap_socket(socket.create_connection((host, port), 10))
        key = public_key_info(self.socket.getpeercert(binary_form=True))
        shown = "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode()
        if shown != fingerprint:
            raise SystemExit(f"another agent answers there: {shown}")
        hello = {"protocol": 1, "oldest": 1, "software": "tether_client.py", "features": []}
        self.send(HELLO, 0, json.dumps(hello).encode())
        self.hello = json.loads(self.receive()[3])
        self.stream = -1

    def send(self, kind, stream, payload=b"", flags=0):
        self.socket.sendall(struct.pack(">IBBI", len(payload), kind, flags, stream) + payload)

    def read(self, length):
        data = bytearray()
        while len(data) < length:
            more = self.socket.recv(min(length - len(data), 65536))
            if not more:
                raise SystemExit("the agent hung up")
            data += more
        return bytes(data)

    def receive(self):
        """The next frame that is not about the connection itself."""
        while True:
            length, kind, flags, stream = struct.unpack(">IBBI", self.read(10))
            payload = self.read(length)
            if kind == PING:
                self.send(PONG, 0, payload)
            elif kind == CLOSE:
                raise SystemExit(f"the agent ended the connection: {payload.decode() or 'in peace'}")
            else:
                return kind, flags, stream, payload

    def call(self, method, params):
        self.stream += 2  # a controller's streams are odd
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        rest, credit, kind, answer = request, WINDOW, OPEN, b""
        while True:
            while kind is not None and credit > 1:
                piece = rest[: min(PIECE, credit - 1)]
                rest = rest[len(piece) :]
                payload = (bytes([CALL]) if kind == OPEN else b"") + piece
                self.send(kind, self.stream, payload, MORE if rest else END)
                credit -= len(payload)
                kind = DOCUMENT if rest else None
            type_, flags, stream, payload = self.receive()
            if stream != self.stream:
                continue
            if type_ == CREDIT:
                credit += struct.unpack(">I", payload)[0]
            elif type_ == RESET:
                raise SystemExit(payload.decode())
            elif type_ == DOCUMENT:
                answer += payload
                if not flags & MORE:
                    return json.loads(answer)
                self.send(CREDIT, self.stream, struct.pack(">I", len(payload)))

    def close(self):
        self.send(CLOSE, 0)
        self.socket.close()


if __name__ == "__main__":
    key_file, fingerprint, host, port, procedure, *words = sys.argv[1:]
    agent = Agent(key_file, fingerprint, host, int(port))
    answer = agent.call(procedure, [json.loads(word) for word in words])
    agent.close()
    print(json.dumps(answer.get("result", answer.get("error"))))
    sys.exit(0 if "result" in answer else 1)
