"""Python's own XML-RPC server at its best: a thread a connection, connections kept open."""

import json
from socketserver import ThreadingMixIn
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"
    rpc_paths = ("/", "/RPC2")
    disable_nagle_algorithm = True
    wbufsize = -1


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler, logRequests=False)
server.register_function(lambda a, b: a * b, "math.multiply")
print(json.dumps({"port": server.server_address[1]}), flush=True)
server.serve_forever()
