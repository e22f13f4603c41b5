"""`cotenant serve --memory`: more networks than memory, all of them answer, and the process stays within its budget."""

import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import struct
import threading
import time

import grpc
import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))
MIB = 1 << 20
MODELS = 6
INPUT, OUTPUT = 1024, 2048  # 8 MiB of weights each.
# A sanitizer's own memory is no part of the budget.
SANITIZED = "asan" in COTENANT or "tsan" in COTENANT
SECONDS = float(os.environ.get("COTENANT_MEMORY_SECONDS", "4"))


def write_model(repository, number):
    """Answers the sum of the weights' columns for an input of ones, which tells whose weights they are."""
    chance = numpy.random.default_rng(number)
    weights = chance.integers(-8, 8, (INPUT, OUTPUT)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["columns"]),
         helper.make_node("ReduceSum", ["columns", "axes"], ["y"], keepdims=1)],
        f"weights_{number}", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", INPUT])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(numpy.array([1]), "axes")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = repository / f"model_{number}" / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(model.SerializeToString())
    return float(weights.sum(dtype="float64"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    sums = [write_model(folder, number) for number in range(MODELS)]
    return folder, sums


class Running:
    """A server and the questions to it."""

    def __init__(self, repository, *flags, enter=None):
        self.folder, self.sums = repository
        self.server = harness.Server([COTENANT, "serve"], self.folder, f"--cache-dir={self.folder}-cache",
                                     f"--state-dir={self.folder}-state", *flags, enter=enter).wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body.decode()

    def memory(self):
        status, text = self.get("/cotenant/v1/memory")
        assert status == 200, text
        return json.loads(text)

    def row(self, number):
        return next(row for row in self.memory()["models"] if row["name"] == f"model_{number}")

    def metrics(self):
        return self.get("/metrics")[1]

    def post(self, path, body=b""):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        connection.request("POST", path, body)
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, text

    def head_and_body(self, number, tenant=True):
        data = numpy.ones(INPUT, "float32").tobytes()
        head = {"inputs": [{"name": "x", "shape": [1, INPUT], "datatype": "FP32",
                            "parameters": {"binary_data_size": len(data)}}]}
        if tenant:
            head["parameters"] = {"tenant": "default"}
        text = json.dumps(head).encode()
        return ({"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"},
                text + data)

    def ask(self, number, connection=None):
        """(status, answer): of one request over HTTP."""
        own = connection is None
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        headers, body = self.head_and_body(number)
        connection.request("POST", f"/v2/models/model_{number}/infer", body, headers)
        reply = connection.getresponse()
        text = reply.read()
        if own:
            connection.close()
        return reply.status, json.loads(text)

    def check(self, number, connection=None):
        status, answer = self.ask(number, connection)
        assert status == 200, answer
        assert answer["outputs"][0]["data"][0] == pytest.approx(self.sums[number], rel=1e-4, abs=1)
        return answer["parameters"]["start"]

    def peak(self):
        """The most memory that the process ever had resident."""
        text = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024

    def resident(self):
        text = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024


FLAGS = ("--in-flight-bytes-max=4MiB",)


@pytest.fixture(scope="module")
def needs(repository):
    """(base, the models' sum, the largest) as the server itself measures them without want."""
    with Running(repository, "--memory=2GiB", *FLAGS) as running:
        for number in range(MODELS):
            running.check(number)
        memory = running.memory()
        sizes = [row["mapped"] + row["anonymous"] for row in memory["models"]]
        assert len(sizes) == MODELS and min(sizes) > 7 * MIB
        assert all(row["state"] == "resident" and row["loads"] == 1 for row in memory["models"])
        assert memory["ledger"]["models"] == sum(sizes)
        return memory["budget"]["base"], sum(sizes), max(sizes)


def budget_for(needs, share):
    """A budget that leaves `share` of the models' sum for models."""
    base, total, largest = needs
    parts = base + 12 * MIB + largest + int(share * total)
    return parts


@pytest.fixture
def crowded(repository, needs):
    """All models in two fifths of what they take together."""
    budget = budget_for(needs, 0.4)
    with Running(repository, f"--memory={budget}", *FLAGS) as running:
        running.budget = budget
        yield running
        assert running.server.process.poll() is None, log_of(running)


def log_of(running):
    running.server.log.flush()
    return pathlib.Path(running.server.log.name).read_text(errors="replace")


def the_sums_hold(running):
    """Every accepted request has exactly one end; gives {end: count}."""
    for _ in range(200):
        page = running.metrics()
        accepted = int(float(re.search(r"^cotenant_accepted_requests_total (\S+)$", page, re.M)[1]))
        ends = {}
        for labels, count in re.findall(r"^cotenant_requests_total\{(.*)\} (\S+)$", page, re.M):
            end = re.search(r'end="(\w+)"', labels)[1]
            ends[end] = ends.get(end, 0) + int(float(count))
        if accepted == sum(ends.values()):
            return ends
        time.sleep(0.02)
    raise AssertionError(f"accepted {accepted}, ended {ends}")


def total_of(page, family):
    return sum(float(value) for value in re.findall(rf"^{family}\{{.*\}} (\S+)$", page, re.M))


def test_all_answer_in_turn_and_at_random_within_the_budget(crowded):
    starts = [crowded.check(number) for _ in range(2) for number in range(MODELS)]
    chance = random.Random(1)
    starts += [crowded.check(chance.randrange(MODELS)) for _ in range(20)]
    assert crowded.check(3) in ("warm", "cold") and crowded.check(3) == "warm"
    cold = starts.count("cold")
    assert MODELS <= cold < len(starts)
    page = crowded.metrics()
    memory = crowded.memory()
    assert total_of(page, "cotenant_model_cold_starts_total") >= cold
    assert total_of(page, "cotenant_model_evictions_total") >= cold - MODELS
    assert total_of(page, "cotenant_model_loads_total") > MODELS
    assert total_of(page, "cotenant_model_load_seconds_total") > 0
    assert sum(row["cold_starts"] for row in memory["models"]) >= cold
    assert memory["budget"]["total"] == crowded.budget
    assert memory["ledger"]["free"] >= 0
    assert 0 < sum(row["state"] == "resident" for row in memory["models"]) < MODELS
    assert the_sums_hold(crowded).keys() <= {"replied"}
    if not SANITIZED:
        assert crowded.peak() <= crowded.budget, f"{crowded.peak() / MIB:.1f} of {crowded.budget / MIB:.1f} MiB"


def test_evicted_models_stay_ready_in_the_index(crowded):
    for number in range(MODELS):
        crowded.check(number)
    status, text = crowded.post("/v2/repository/index")
    assert status == 200 and {row["state"] for row in json.loads(text)} == {"READY"}
    out = next(row["name"] for row in crowded.memory()["models"] if row["state"] == "out")
    assert crowded.get(f"/v2/models/{out}/ready")[0] == 200
    assert crowded.get(f"/v2/models/{out}")[0] == 200


def test_the_start_is_told_over_grpc_too(crowded):
    with grpc.insecure_channel(f"127.0.0.1:{crowded.server.grpc}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def start(number):
            request = service_pb2.ModelInferRequest(model_name=f"model_{number}")
            request.parameters["tenant"].string_param = "default"
            request.inputs.add(name="x", datatype="FP32", shape=[1, INPUT])
            request.raw_input_contents.append(numpy.ones(INPUT, "float32").tobytes())
            reply = stub.ModelInfer(request, timeout=60)
            value = struct.unpack("<f", reply.raw_output_contents[0][:4])[0]
            assert value == pytest.approx(crowded.sums[number], rel=1e-4, abs=1)
            return reply.parameters["start"].string_param

        starts = [start(number) for number in range(MODELS)]
        assert "cold" in starts and start(MODELS - 1) == "warm"


def test_random_loads_cancellations_and_reloads_lose_nothing(repository, needs):
    budget = budget_for(needs, 0.4)
    stop, wrong, counts = threading.Event(), [], {}
    with Running(repository, f"--memory={budget}", *FLAGS, "--model-control-mode=explicit",
                 "--load-model=*") as running:

        def client(seed):
            chance = random.Random(seed)
            connection = http.client.HTTPConnection("127.0.0.1", running.server.http, timeout=60)
            while not stop.is_set():
                number = chance.randrange(MODELS)
                try:
                    if chance.random() < 0.15:  # Goes away without waiting for its answer.
                        headers, body = running.head_and_body(number)
                        with socket.create_connection(("127.0.0.1", running.server.http)) as rude:
                            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                            head = f"POST /v2/models/model_{number}/infer HTTP/1.1\r\nHost: x\r\n{lines}"
                            rude.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                            time.sleep(chance.random() * 0.02)
                        continue
                    status, answer = running.ask(number, connection)
                except (OSError, http.client.HTTPException) as error:
                    wrong.append(f"model_{number}: {error!r}")
                    return
                counts[status] = counts.get(status, 0) + 1
                if status == 200:
                    if answer["outputs"][0]["data"][0] != pytest.approx(running.sums[number], rel=1e-4, abs=1):
                        wrong.append(f"model_{number}: {answer}")
                elif status not in (404, 503):
                    wrong.append(f"model_{number}: {status} {answer}")

        clients = [threading.Thread(target=client, args=(seed,)) for seed in range(4)]
        for thread in clients:
            thread.start()
        chance, until = random.Random(99), time.monotonic() + SECONDS
        while time.monotonic() < until:
            number = chance.randrange(MODELS)
            action = chance.choice(["load", "load", "unload"])
            status, text = running.post(f"/v2/repository/models/model_{number}/{action}")
            if status != 200:
                wrong.append(f"{action} model_{number}: {status} {text}")
            if action == "unload":
                status, text = running.post(f"/v2/repository/models/model_{number}/load")
                if status != 200:
                    wrong.append(f"load model_{number}: {status} {text}")
            time.sleep(0.05)
        stop.set()
        for thread in clients:
            thread.join(90)
            assert not thread.is_alive(), log_of(running)
        assert not wrong, wrong[:5]
        assert counts.get(200, 0) > 4, counts
        ends = the_sums_hold(running)
        assert ends.get("failed", 0) == 0, ends
        for number in range(MODELS):
            running.check(number)
        if not SANITIZED:
            assert running.peak() <= budget, f"{running.peak() / MIB:.1f} of {budget / MIB:.1f} MiB"


def test_a_file_that_vanished_while_out_hurts_nobody_else(repository, needs, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(repository[0], folder)
    with Running((folder, repository[1]), f"--memory={budget_for(needs, 0.4)}", *FLAGS) as running:
        for number in range(MODELS):
            running.check(number)
        out = [number for number in range(MODELS) if running.row(number)["state"] == "out"]
        assert len(out) >= 3, out
        gone, cut, other = out[:3]
        path = folder / f"model_{gone}/1/model.onnx"
        content = path.read_bytes()
        path.unlink()
        with open(folder / f"model_{cut}/1/model.onnx", "r+b") as file:
            file.truncate(1000)
        (folder / f"model_{other}/1/model.onnx").write_bytes(content)
        for number in (gone, cut, other):
            status, answer = running.ask(number)
            assert status == 503 and "changed or removed" in answer["error"], (status, answer)
        for number in range(MODELS):
            if number not in (gone, cut, other):
                running.check(number)
        assert running.row(gone)["failed_loads"] >= 1
        assert "changed or removed" in log_of(running)


def test_weights_in_a_file_of_their_own_may_be_cut_short_while_they_serve(tmp_path):
    folder = tmp_path / "models"
    for name in ("served", "missing"):
        shutil.copytree(harness.PROJECT / "tests/models/external_data", folder / name)
        # Else the library makes a copy in another form, and the file is not read again.
        (folder / name / "config.pbtxt").write_text(
            'parameters { key: "session.disable_prepacking" value { string_value: "1" } }')
    weights = folder / "served/1/weights.bin"
    (folder / "missing/1/weights.bin").unlink()
    size = weights.stat().st_size
    ones = json.dumps({"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP32", "data": [1] * 64}]})
    right = numpy.frombuffer(weights.read_bytes(), "float32").reshape(64, 64).sum(0)
    with Running((folder, []), "--memory=512MiB", "--strict-readiness=false") as running:
        for cut in (False, True):
            if cut:
                os.truncate(weights, 0)
            status, text = running.post("/v2/models/served/infer", ones)
            assert status == 200, text
            assert json.loads(text)["outputs"][0]["data"] == pytest.approx(right, abs=1e-3)
        row = next(row for row in running.memory()["models"] if row["name"] == "served")
        assert row["mapped"] == 0 and row["anonymous"] >= size, row
        index = json.loads(running.post("/v2/repository/index")[1])
        reason = next(row["reason"] for row in index if row["name"] == "missing")
        assert "its weights are in 'weights.bin', which is no file that is there" in reason, index


def test_unloading_gives_the_memory_back(repository):
    with Running(repository, "--memory=2GiB", *FLAGS, "--model-control-mode=explicit", "--load-model=model_0") as running:
        running.check(0)
        alone = running.memory()["ledger"]["models"]

        def load_and_run():
            assert running.post("/v2/repository/models/model_1/load")[0] == 200
            running.check(1)

        def unload():
            """The call returns before the last of the model has gone; the ledger says when it has."""
            assert running.post("/v2/repository/models/model_1/unload")[0] == 200
            until = time.monotonic() + 60
            while running.memory()["ledger"]["models"] > alone:
                assert time.monotonic() < until, log_of(running)
                time.sleep(0.005)

        # The first load and run also bring in what stays: threads, buffers, the library's own tables.
        for _ in range(2):
            load_and_run()
            unload()
        before = running.resident()
        load_and_run()
        assert running.resident() > before + 6 * MIB
        unload()
        time.sleep(0.1)
        if not SANITIZED:
            assert running.resident() <= before + 2 * MIB, f"{(running.resident() - before) / MIB:.1f} MiB stay"


def test_what_can_never_fit_is_refused_with_the_sizes(repository, needs):
    base = needs[0]
    # Room for the program and a little more, but not for one network.
    with Running(repository, f"--memory={base + 18 * MIB}", "--in-flight-bytes-max=1MiB") as running:
        status, answer = running.ask(0)
        assert status == 507 and "MiB" in answer["error"], (status, answer)
        with grpc.insecure_channel(f"127.0.0.1:{running.server.grpc}") as channel:
            request = service_pb2.ModelInferRequest(model_name="model_0")
            request.inputs.add(name="x", datatype="FP32", shape=[1, INPUT])
            request.raw_input_contents.append(numpy.ones(INPUT, "float32").tobytes())
            with pytest.raises(grpc.RpcError) as refused:
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)
            assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_budget_below_the_program_itself_ends_it_with_the_sizes(repository):
    with pytest.raises(RuntimeError, match="leaves nothing for models"):
        Running(repository, "--memory=8MiB")


def test_the_budget_is_said_at_start(repository):
    with Running(repository, "--memory=1GiB") as running:
        assert re.search(r"memory: 1024.0 MiB: [\d.]+ MiB for the program, .* for models and their runs",
                         log_of(running))
    with Running(repository) as running:
        assert re.search(r"memory: [\d.]+ MiB \(80% of .*--memory sets it\)", log_of(running))
    with Running(repository, "--memory=unlimited") as running:
        assert "memory: no limit" in log_of(running)
        assert running.memory()["budget"] is None
