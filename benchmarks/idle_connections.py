"""Opens many keep-alive connections, sends one inference on each, and leaves them open. For benchmarks/run."""

import json
import socket
import struct

from harness import raise_file_limit


class Idle:
    def __init__(self, port, count):
        raise_file_limit()
        head = json.dumps({"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP32",
                                       "parameters": {"binary_data_size": 256}}],
                           "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}).encode()
        body = head + struct.pack("<64f", *([0.5] * 64))
        self.request = (f"POST /v2/models/mlp/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                        f"Inference-Header-Content-Length: {len(head)}\r\n\r\n").encode() + body
        self.sockets = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), 10)
            connection.sendall(self.request)
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"connection {len(self.sockets)}: {answer[:200]!r}")
            self.sockets.append(connection)

    def still_open(self):
        """Connections that the server has not closed, and that had nothing more to say."""
        alive = 0
        for connection in self.sockets:
            connection.setblocking(False)
            try:
                alive += len(connection.recv(1)) > 0
            except BlockingIOError:
                alive += 1
            except OSError:
                pass
        return alive

    def close(self):
        for connection in self.sockets:
            connection.close()
