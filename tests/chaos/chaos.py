#!/usr/bin/env python3
"""Kills clients, reloads models, offers broken ones and drains a server under load, then does the sums.

tests/chaos/chaos.py [--kills N] [--reloads N] [--broken N] [--drains N] [--seconds-max S] [--seed N]
                     [--crowd N [--share S] [--cgroup]]

With --crowd there are N more models, of 8 MiB each, in a memory budget that holds a share of them: they come and go
all the time, under the same faults, and the process has to stay within its budget. With --cgroup (as root) the server
runs in a memory cgroup of its own, whose limit is the budget and a twentieth.

At the end every request that the server accepted must have exactly one end in its metrics (and in what it says when it
drains), and every client that lived must have got exactly one reply, its own, to each request that was answered. Prints a
line per sum and ends with 1 if one is wrong. Everything runs on this machine's loopback.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc
import numpy
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
COTENANT = os.environ.get("COTENANT", str(PROJECT / "build/cotenant"))
SANITIZED = "asan" in COTENANT or "tsan" in COTENANT  # Their own memory is no part of a budget.
DRAIN_SECONDS_MAX = 15
# A reply that takes longer than this on a loaded machine is lost.
REPLY_SECONDS_MAX = 30


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def post(port, path, body, timeout=60):
    """(status, text) of a request; status 0 when there was no answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


MIB = 1 << 20
CROWD_BYTES = 8 * MIB
IN_FLIGHT_BYTES_MAX = 4 * MIB
# What a budget must hold besides the crowd's share: the program, its code, and the two small models.
BESIDE_THE_CROWD = 76 * MIB


class MemoryGroup:
    """A memory cgroup (version 1 or 2) with a limit, for one process at a time."""

    def __init__(self, limit):
        second = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
        self.version = 2 if second.exists() else 1
        self.folder = pathlib.Path("/sys/fs/cgroup", "" if self.version == 2 else "memory", f"cotenant-{os.getpid()}")
        if self.version == 2:
            pathlib.Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        (self.folder / name).write_text(str(limit))

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self):
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return int(re.search(r"^oom_kill (\d+)$", (self.folder / name).read_text(), re.M)[1])

    def end(self):
        self.folder.rmdir()


class Server:
    """The server, through all its lives: the same ports, a new process after each drain."""

    def __init__(self, repository, models, memory=None, group=None):
        self.repository, self.models, self.memory, self.group = repository, models, memory, group
        self.peaks, self.faults = [], []  # Of each life: most resident bytes, and pages read from disk.
        self.http, self.grpc, self.metrics = free_ports(3)
        self.log = repository.parent / "server.log"
        self.process = None
        self.away = []  # [begin, end] of each drain and the start after it.
        # (model, begin, end) of each reload: a model that is out of memory cannot come back from files that were
        # written, until it is told to take the new ones.
        self.replaced = []

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [COTENANT, "serve", f"--model-repository={self.repository}", f"--http-port={self.http}",
                 f"--grpc-port={self.grpc}", f"--metrics-port={self.metrics}", "--model-control-mode=explicit",
                 *(f"--load-model={model}" for model in self.models), "--exit-timeout-secs=10",
                 f"--in-flight-bytes-max={IN_FLIGHT_BYTES_MAX}", f"--state-dir={self.repository.parent}",
                 *([f"--memory={self.memory}"] if self.memory else [])],
                stdout=log, stderr=log, start_new_session=True, preexec_fn=self.group and self.group.enter)
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at its start:\n{self.log.read_text()[-3000:]}")
            try:
                get(self.http, "/v2/health/ready")
                if self.away:
                    self.away[-1][1] = time.monotonic()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the server does not get ready")

    def drain(self):
        """Ends the process as a system would; returns (exit status, seconds it took)."""
        started = time.monotonic()
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.peaks.append(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024)
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        self.faults.append(int(stat.rpartition(")")[2].split()[9]))
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DRAIN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.away.append([started, time.monotonic()])
        return status, time.monotonic() - started

    def away_at(self, moment, model):
        return (any(begin <= moment <= end + 0.1 for begin, end in self.away) or
                any(name == model and begin <= moment <= end + 0.1 for name, begin, end in self.replaced))

    def sums_at_drains(self):
        """What the server said at each drain, as a list of {name: count}."""
        lines = re.findall(r"drained: (accepted=.*)", self.log.read_text())
        return [{name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)} for line in lines]

    def sums_of_metrics(self):
        """(accepted, {end: count}) of this life."""
        page = get(self.metrics, "/metrics")
        accepted = int(float(re.search(r"^cotenant_accepted_requests_total (\S+)$", page, re.M)[1]))
        ends = collections.Counter()
        for labels, count in re.findall(r"^cotenant_requests_total\{(.*)\} (\S+)$", page, re.M):
            ends[re.search(r'end="(\w+)"', labels)[1]] += int(float(count))
        return accepted, dict(ends)


# ---- clients ---------------------------------------------------------------------------------------------------


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


# ---- models ----------------------------------------------------------------------------------------------------


HEAVY_SIZE = 260  # Some milliseconds of matrix products.


def write_models(repository):
    """`quick` and `heavy` answer X + 1; `heavy` multiplies matrices before. Broken ones are written when offered."""
    node = helper.make_node
    pads, end = [0, 0, HEAVY_SIZE - 1, HEAVY_SIZE - 4], [1, 4]
    heavy = [node("Pad", ["X", "pads"], ["P0"])]
    heavy += [node("MatMul", [f"P{i}", "unit"], [f"P{i + 1}"]) for i in range(3)]
    heavy += [node("Slice", ["P3", "begin", "end"], ["S"]), node("Add", ["S", "one"], ["Y"])]
    write_model(repository, "quick", [node("Add", ["X", "one"], ["Y"])], one=numpy.float32(1))
    write_model(repository, "heavy", heavy, one=numpy.float32(1), unit=numpy.eye(HEAVY_SIZE, dtype="float32"),
                pads=numpy.array(pads), begin=numpy.array([0, 0]), end=numpy.array(end))


def write_crowd(repository, count):
    """`crowd_N` answer X + 1 too, and read 8 MiB of weights for it: what they add to the answer is zero."""
    node = helper.make_node
    side = CROWD_BYTES // 4 // 4
    nodes = [node("MatMul", ["X", "weights"], ["columns"]), node("ReduceSum", ["columns", "axes"], ["sum"], keepdims=1),
             node("Mul", ["sum", "zero"], ["nothing"]), node("Add", ["X", "one"], ["answer"]),
             node("Add", ["answer", "nothing"], ["Y"])]
    for number in range(count):
        weights = numpy.random.default_rng(number).integers(-8, 8, (4, side)).astype("float32")
        write_model(repository, f"crowd_{number}", nodes, weights=weights, axes=numpy.array([1]),
                    zero=numpy.float32(0), one=numpy.float32(1))
    return [f"crowd_{number}" for number in range(count)]


def write_model(repository, name, nodes, **constants):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 4])],
                              [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 4])],
                              [numpy_helper.from_array(numpy.asarray(array), key) for key, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = repository / name / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(model.SerializeToString())


def write_broken(repository, number):
    """A model that cannot be served, in one of several ways."""
    place = repository / f"broken_{number}"
    (place / "1").mkdir(parents=True)
    good = (repository / "heavy/1/model.onnx").read_bytes()
    ways = [b"", b"no network", good[:len(good) // 2], good[:-7] + b"\xff" * 7]
    if number % 6 < 4:
        (place / "1/model.onnx").write_bytes(ways[number % 6])
    elif number % 6 == 4:
        (place / "1/model.onnx").write_bytes(good)
        (place / "config.pbtxt").write_text('input { name: "NOT_THERE" data_type: TYPE_INT8 dims: [ 3 ] }\n')
    else:
        (place / "1/model.onnx").write_bytes(good)
        (place / "config.pbtxt").write_text("max_batch_size: {{{ [\n")
    return place.name


# ---- the run ---------------------------------------------------------------------------------------------------


class Chaos:
    def __init__(self, options, folder):
        self.options, self.problems = options, []
        self.repository = pathlib.Path(folder) / "models"
        self.repository.mkdir()
        write_models(self.repository)
        self.models = ["quick", "heavy"] + write_crowd(self.repository, options.crowd)
        memory = group = None
        if options.crowd:
            memory = BESIDE_THE_CROWD + int(options.share * options.crowd * CROWD_BYTES)
            group = MemoryGroup(memory * 21 // 20) if options.cgroup else None
        self.server = Server(self.repository, self.models, memory, group)
        self.control = threading.Lock()  # Reloads and drains take turns, so that a reload's answer is known.
        self.reloads = self.broken = 0

    def expect(self, what, good, facts):
        print(f"{'ok  ' if good else 'WRONG'} {what}: {facts}", flush=True)
        if not good:
            self.problems.append(what)

    def reload_models(self, seconds):
        for number in range(self.options.reloads):
            model = self.models[number % len(self.models)]
            # A file that changed, so that the load is one.
            with self.control:
                began = time.monotonic()
                os.utime(self.repository / model / "1/model.onnx")
                status, text = post(self.server.http, f"/v2/repository/models/{model}/load", b"{}")
                self.server.replaced.append((model, began, time.monotonic()))
            self.reloads += status == 200
            if status != 200:
                self.problems.append(f"reload of {model}: {status} {text}")
            time.sleep(seconds / self.options.reloads / 2)

    def offer_broken(self, seconds):
        for number in range(self.options.broken):
            name = write_broken(self.repository, number)
            with self.control:
                status, text = post(self.server.http, f"/v2/repository/models/{name}/load", b"{}")
                _, index = post(self.server.http, "/v2/repository/index", b"{}")
            rows = [row for row in json.loads(index) if row["name"] == name]
            good = status >= 400 and all(row.get("state") == "UNAVAILABLE" and row.get("reason") for row in rows)
            self.broken += good
            if not good:
                self.problems.append(f"{name}: {status} {text} {rows}")
            time.sleep(seconds / self.options.broken / 2)

    def drain_often(self, seconds):
        slowest = 0.0
        for _ in range(self.options.drains):
            time.sleep(seconds / (self.options.drains + 1))
            with self.control:
                status, took = self.server.drain()
                slowest = max(slowest, took)
                if status != 0:
                    self.problems.append(f"drain: exit status {status} after {took:.1f} s")
                self.server.start()
        self.slowest_drain = slowest

    def run(self):
        options, started = self.options, time.monotonic()
        self.server.start()
        stop = threading.Event()
        clients = [Survivor(self.server, [model], stop) for model in ("quick", "quick", "heavy", "heavy")]
        clients += [Survivor(self.server, self.models[2:], stop) for _ in range(4 if options.crowd else 0)]
        clients += [GrpcClient(self.server, self.models, stop, options.seed + i) for i in range(2)]
        seconds = options.seconds
        killer = subprocess.Popen([sys.executable, __file__, "--killer", str(self.server.http), str(options.kills),
                                   str(seconds), str(options.seed), *self.models], stdout=subprocess.PIPE, text=True)
        workers = [threading.Thread(target=work, args=(seconds,))
                   for work in (self.reload_models, self.offer_broken, self.drain_often)]
        for thread in clients + workers:
            thread.start()
        for thread in workers:
            thread.join()
        kills = killer.communicate()[0].strip()
        stop.set()
        for client in clients:
            client.join(REPLY_SECONDS_MAX + 5)
        self.settle(clients, kills, time.monotonic() - started)

    def settle(self, clients, kills, took):
        options = self.options
        accepted, ends = self.quiet_sums()
        status, seconds = self.server.drain()
        drains = self.server.sums_at_drains()
        self.expect("clients killed", kills == str(options.kills), kills)
        self.expect("reloads", self.reloads == options.reloads, self.reloads)
        self.expect("broken models refused", self.broken == options.broken, self.broken)
        self.expect("drains", status == 0 and len(drains) == options.drains + 1,
                    f"{len(drains)}, slowest {max(self.slowest_drain, seconds):.2f} s")
        self.expect("last life's metrics: one end for each accepted request", accepted == sum(ends.values()) > 0,
                    f"{accepted} accepted, {ends}")
        for life, sums in enumerate(drains, 1):
            total = sum(count for name, count in sums.items() if name != "accepted")
            self.expect(f"life {life}: one end for each accepted request", sums["accepted"] == total > 0, sums)
        counts, wrong = collections.Counter(), []
        for client in clients:
            counts += client.counts
            wrong += client.wrong + ([f"{type(client).__name__} hangs"] if client.is_alive() else [])
        self.expect("surviving clients: one reply each, their own", not wrong, f"{dict(counts)} {wrong[:5]}")
        # A request that reaches a connection just when a drain closes it was not accepted; until the next process is
        # ready its models are not there.
        for what in ("unanswered", "refused"):
            moments = [moment for client in clients for moment in getattr(client, what)]
            outside = [moment for moment in moments if not self.server.away_at(*moment)]
            self.expect(f"none {what} but in a restart or a reload", not outside,
                        f"{len(moments) - len(outside)} there, {len(outside)} else")
        replied = sum(sums["replied"] for sums in drains)
        self.expect("no reply that the server did not count", counts[200] + counts["OK"] <= replied,
                    f"{counts[200] + counts['OK']} received, {replied} counted")
        self.expect("time", took <= options.seconds_max, f"{took:.0f} s")
        self.check_memory(counts)
        for problem in self.problems:
            print("PROBLEM", problem)
        if self.problems:
            print(self.server.log.read_text()[-3000:])

    def check_memory(self, counts):
        if not self.server.memory:
            return
        peaks = ", ".join(f"{peak / MIB:.1f}" for peak in self.server.peaks)
        if SANITIZED:
            print(f"     resident at most {peaks} MiB, a sanitizer's own included")
        else:
            self.expect("memory within its budget", max(self.server.peaks) <= self.server.memory,
                        f"{peaks} of {self.server.memory / MIB:.1f} MiB")
        if self.server.group:
            kills, faults = self.server.group.kills(), sum(self.server.faults)
            self.expect("none killed for memory", kills == 0, kills)
            answered = counts[200] + counts["OK"]
            self.expect("major faults: at most one in a hundred answers", faults * 100 <= answered,
                        f"{faults} of {answered}")

    def quiet_sums(self):
        """The metrics once nothing moves any more."""
        last = None
        for _ in range(100):
            sums = self.server.sums_of_metrics()
            if sums == last and sums[0] == sum(sums[1].values()):
                return sums
            last = sums
            time.sleep(0.1)
        return last


def main():
    if sys.argv[1:2] == ["--killer"]:
        port, kills, seconds, seed, *models = sys.argv[2:]
        return kill_clients((int(port), int(kills), float(seconds), int(seed), models))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--drains", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120, help="over which the faults are spread")
    parser.add_argument("--seconds-max", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crowd", type=int, default=0, help="models of 8 MiB that do not all fit")
    parser.add_argument("--share", type=float, default=0.4, help="of the crowd that the memory budget holds")
    parser.add_argument("--cgroup", action="store_true", help="run the server in a memory cgroup of its own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # Its server ends with it.
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(parser.parse_args(), folder)
        try:
            chaos.run()
        finally:
            if chaos.server.process and chaos.server.process.poll() is None:
                chaos.server.process.kill()
                chaos.server.process.wait()
            if chaos.server.group:
                chaos.server.group.end()
        sys.exit(1 if chaos.problems else 0)


if __name__ == "__main__":
    main()
