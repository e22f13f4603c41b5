"""Clients of the chaos run: those that live and count their replies, and those that are killed."""

import collections
import json
import os
import random
import re
import signal
import socket
import struct
import threading
import time

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

# A reply that takes longer than this on a loaded machine is lost.
REPLY_SECONDS_MAX = 30


def infer_request(model, number, size=4):
    """An inference whose answer shows whose it is."""
    body = json.dumps({"id": str(number), "inputs": [{
        "name": "X", "datatype": "FP32", "shape": [1, size], "data": [float(number % 1000)] * size}]}).encode()
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: chaos\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def read_reply(connection, buffer):
    """(status, body, rest), or None when the connection ended before a whole reply."""
    while b"\r\n\r\n" not in buffer:
        piece = connection.recv(65536)
        if not piece:
            return None
        buffer += piece
    head, buffer = buffer.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"content-length: *(\d+)", head, re.I)[1])
    while len(buffer) < length:
        piece = connection.recv(65536)
        if not piece:
            return None
        buffer += piece
    return int(head.split()[1]), buffer[:length], buffer[length:]


class Survivor(threading.Thread):
    """A client that lives: asks one of its models, again and again, and checks that each answer is its own and comes
    once."""

    def __init__(self, server, models, stop):
        super().__init__(daemon=True)
        self.server, self.models, self.stop = server, models, stop
        self.model = models[0]
        self.counts, self.wrong = collections.Counter(), []
        self.unanswered = []  # When a connection ended with a request on it.
        self.refused = []  # When the server was leaving, or its models were not there yet.
        self.random = random.Random(id(self))
        self.number = self.random.randrange(10**6) * 10**6

    def run(self):
        while not self.stop.is_set():
            try:
                self.one_connection()
            except TimeoutError:
                self.wrong.append(f"{self.model}: no reply within {REPLY_SECONDS_MAX} s")
            except OSError:
                self.counts["connections lost"] += 1
                time.sleep(0.02)

    def one_connection(self):
        with socket.create_connection(("127.0.0.1", self.server.http), timeout=REPLY_SECONDS_MAX) as connection:
            rest = b""
            while not self.stop.is_set():
                self.number += 1
                self.model = self.random.choice(self.models)
                try:
                    connection.sendall(infer_request(self.model, self.number))
                    reply = read_reply(connection, rest)
                except ConnectionError:
                    reply = None
                if reply is None:
                    self.unanswered.append((time.monotonic(), self.model))
                    return
                status, body, rest = reply
                self.check(status, body)
                if rest:
                    self.wrong.append(f"{self.model}: more than one reply: {rest[:80]!r}")
                    return

    def check(self, status, body):
        self.counts[status] += 1
        if status == 200:
            answer = json.loads(body)
            value = answer["outputs"][0]["data"][0]
            if answer.get("id") != str(self.number) or value != float(self.number % 1000) + 1:
                self.wrong.append(f"{self.model}: another's answer to {self.number}: {body[:200]!r}")
        elif status in (404, 503):
            self.refused.append((time.monotonic(), self.model))
        else:
            self.wrong.append(f"{self.model}: status {status}: {body[:200]!r}")


class GrpcClient(threading.Thread):
    """Asks over gRPC; cancels a part of its calls midway, which counts as a client's death."""

    def __init__(self, server, models, stop, seed):
        super().__init__(daemon=True)
        self.server, self.models, self.stop, self.random = server, models, stop, random.Random(seed)
        self.counts, self.wrong = collections.Counter(), []
        self.unanswered, self.refused = [], []  # As a Survivor's.

    def run(self):
        while not self.stop.is_set():
            with grpc.insecure_channel(f"127.0.0.1:{self.server.grpc}",
                                       options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
                for number in range(self.random.randrange(1, 40)):
                    self.one_call(stub, number)
                    if self.stop.is_set():
                        return

    def one_call(self, stub, number):
        model = self.random.choice(self.models)
        request = service_pb2.ModelInferRequest(model_name=model, id=str(number))
        entry = request.inputs.add(name="X", datatype="FP32", shape=[1, 4])
        entry.contents.fp32_contents.extend([float(number)] * 4)
        call = stub.ModelInfer.future(request, timeout=REPLY_SECONDS_MAX)
        if self.random.random() < 0.3:
            time.sleep(self.random.random() * 0.003)
            call.cancel()
            self.counts["cancelled"] += 1
            return
        try:
            reply = call.result()
            self.counts["OK"] += 1
            value = struct.unpack("<f", reply.raw_output_contents[0][:4])[0]
            if reply.id != str(number) or value != number + 1:
                self.wrong.append(f"gRPC: another's answer to {number}: id {reply.id}, {value}")
        except grpc.RpcError as error:
            self.counts[error.code().name] += 1
            if error.code() == grpc.StatusCode.NOT_FOUND:
                self.refused.append((time.monotonic(), model))
            elif error.code() != grpc.StatusCode.UNAVAILABLE:
                self.wrong.append(f"gRPC: {error.code().name}: {error.details()}")
            time.sleep(0.02)


def victim(port, models, seed):
    """The life of a client process that will be killed: whole and half requests, often several at once."""
    chance = random.Random(seed)
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if chance.random() < 0.5:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                for number in range(chance.randrange(1, 30)):
                    data = infer_request(chance.choice(models), number) * chance.choice([1, 1, 1, 4])
                    if chance.random() < 0.2:
                        connection.sendall(data[:chance.randrange(len(data))])
                        time.sleep(chance.random() * 0.02)
                        break
                    connection.sendall(data)
                    if chance.random() < 0.7:
                        connection.recv(chance.choice([1, 20, 65536]))
        except OSError:
            time.sleep(0.002)


def kill_clients(arguments):
    """Runs as a process of its own: forks victims and kills them at any moment."""
    port, kills, seconds, seed, models = arguments
    chance = random.Random(seed)
    started = time.monotonic()
    for number in range(kills):
        child = os.fork()
        if child == 0:
            try:
                victim(port, models, seed + number)
            finally:
                os._exit(0)
        # Spread over the whole run, so that kills fall into reloads and drains too.
        due = started + seconds * (number + 1) / kills
        time.sleep(max(0.004 + chance.random() * 0.01, min(0.2, due - time.monotonic())))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(kills, flush=True)
