"""Clients that try to fill the server's memory: others are served meanwhile, and the budget holds."""

import json
import random
import socket
import threading
import time

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from test_memory import INPUT, MIB, MODELS, SANITIZED, Running, budget_for, needs, repository  # noqa: F401 (fixtures)

FLAGS = ("--in-flight-bytes-max=4MiB",)
SECONDS = 5


def head(number, length):
    return (f"POST /v2/models/model_{number}/infer HTTP/1.1\r\nHost: hostile\r\nContent-Length: {length}\r\n"
            f"Inference-Header-Content-Length: 200\r\n\r\n").encode()


class Attack:
    """Connections that stay open with what was sent on them, and the statuses that came back."""

    def __init__(self, running):
        self.port, self.grpc_port = running.server.http, running.server.grpc
        self.open, self.statuses = [], []

    def send(self, *parts, wait=0.2):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        self.open.append(connection)
        try:
            for part in parts:
                connection.sendall(part)
            connection.settimeout(wait)
            reply = connection.recv(4096)
            if reply:
                self.statuses.append(int(reply.split()[1]))
        except TimeoutError:
            self.statuses.append(None)  # It waits for the rest.
        except OSError:
            self.statuses.append("closed")

    def half_sent_bodies(self):
        """Large ones until nothing more is taken, then smaller ones for what is left; each is all but whole."""
        for size in (1 * MIB, 128 << 10, 16 << 10, 2 << 10):
            for number in range(12):
                self.send(head(number % MODELS, size), b"x" * (size - 10), wait=0.02)

    def huge_promises(self):
        for length in (64 * MIB, 1 << 40, (1 << 63) - 1, 1 << 70):
            self.send(head(0, length), b"x" * 65536)

    def huge_chunks(self):
        start = head(1, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        piece = b"10000\r\n" + b"y" * 65536 + b"\r\n"
        self.send(start, *[piece] * 160)

    def huge_tensors(self):
        text = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1 << 40, INPUT],
                                       "data": [1.0]}]}).encode()
        self.send(head(2, len(text)).replace(b"Inference-Header-Content-Length: 200\r\n", b""), text)

    def grpc_bodies(self):
        options = [("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", options=options) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            request = service_pb2.ModelInferRequest(model_name="model_0")
            request.inputs.add(name="x", datatype="FP32", shape=[8192, INPUT])
            request.raw_input_contents.append(bytes(32 * MIB))
            calls = [stub.ModelInfer.future(request, timeout=10) for _ in range(4)]
            self.statuses += [call.exception().code().name for call in calls]

    def run(self):
        for act in (self.half_sent_bodies, self.huge_promises, self.huge_chunks, self.huge_tensors, self.grpc_bodies):
            act()

    def end(self):
        for connection in self.open:
            connection.close()


def test_others_are_served_and_the_budget_holds_while_a_client_fills_memory(repository, needs):  # noqa: F811
    budget = budget_for(needs, 0.6)
    with Running(repository, f"--memory={budget}", *FLAGS) as running:
        for number in range(MODELS):
            running.check(number)
        answered, problems, stop = [], [], threading.Event()

        def serve_others():
            chance = random.Random(5)
            while not stop.is_set():
                began = time.monotonic()
                try:
                    running.check(chance.randrange(MODELS))
                except Exception as error:  # Whatever it is, the test has to show it.
                    problems.append(repr(error))
                answered.append(time.monotonic() - began)

        other = threading.Thread(target=serve_others)
        other.start()
        attack = Attack(running)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            attack.run()
        stop.set()
        other.join(60)
        # More bytes under way than may be are refused (503), as is a body over the limit (413); neither ends the server.
        assert {503, 413} <= set(attack.statuses), set(attack.statuses)
        assert "RESOURCE_EXHAUSTED" in attack.statuses
        attack.end()
        assert not problems and len(answered) > 5, (len(answered), problems[:3])
        if not SANITIZED:
            assert running.peak() <= budget, (running.peak() / MIB, budget / MIB)
        assert running.server.process.poll() is None


@pytest.mark.parametrize("rows", [1 << 20, 1 << 62])
def test_a_shape_larger_than_any_memory_is_refused_by_its_name(repository, rows):  # noqa: F811
    with Running(repository, "--memory=512MiB", *FLAGS) as running:
        text = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, INPUT], "data": [1.0]}]})
        status, answer = running.post("/v2/models/model_0/infer", text.encode())
        assert status in (400, 413) and "'x'" in answer, (status, answer)
