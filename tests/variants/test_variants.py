"""A model with a smaller variant: which one answers, over HTTP and gRPC, with and without a budget."""

import http.client
import json
import os

import grpc
import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import service_pb2, service_pb2_grpc

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))
MIB = 1 << 20
INPUT = 1024
SIZES = {"default": 3072, "small": 1024}  # 12 and 4 MiB of weights.
TOML = """
accuracy = 90
accuracy_source = "labels"

[[variant]]
name = "small"
accuracy = 80.5
accuracy_source = "labels"
%s

[[variant]]
name = "wrong"
"""


def write_network(path, seed, columns, x="x", y="y"):
    """Answers the sum of its weights for an input of ones, which tells whose weights they are."""
    weights = numpy.random.default_rng(seed).integers(-8, 8, (INPUT, columns)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", [x, "weights"], ["columns"]),
         helper.make_node("ReduceSum", ["columns", "axes"], [y], keepdims=1)],
        "sums", [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", INPUT])],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(numpy.array([1]), "axes")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return float(weights.sum(dtype="float64"))


@pytest.fixture(scope="module", params=["same names", "other names"])
def repository(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    version = folder / "m" / "1"
    other = request.param == "other names"
    sums = {"default": write_network(version / "model.onnx", 1, SIZES["default"]),
            "small": write_network(version / "model.small.onnx", 2, SIZES["small"], *(("in", "out") if other else ()))}
    write_network(version / "model.wrong.onnx", 3, 8, "z")
    names = 'inputs = { x = "in" }\noutputs = { y = "out" }' if other else ""
    (folder / "m" / "cotenant.toml").write_text(TOML % names)
    (folder / "cotenant.toml").write_text('[[tenants]]\nname = "careful"\naccuracy_min = 85\n')
    return folder, sums


class Running:
    def __init__(self, repository, *flags):
        self.folder, self.sums = repository
        self.server = harness.Server([COTENANT, "serve"], self.folder, *flags).wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def http(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        connection.request(method, path, body, dict(headers))
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        connection.close()
        return reply.status, answer

    def ask_http(self, parameters, headers=()):
        body = {"inputs": [{"name": "x", "shape": [1, INPUT], "datatype": "FP32", "data": [1] * INPUT}],
                "parameters": parameters}
        return self.http("POST", "/v2/models/m/infer", json.dumps(body), headers)

    def ask_grpc(self, parameters):
        """(parameters of the reply, its value), or the error."""
        request = service_pb2.ModelInferRequest(model_name="m")
        tensor = request.inputs.add(name="x", datatype="FP32", shape=[1, INPUT])
        tensor.contents.fp32_contents.extend([1.0] * INPUT)
        for name, value in parameters.items():
            if isinstance(value, str):
                request.parameters[name].string_param = value
            elif isinstance(value, int):
                request.parameters[name].int64_param = value
            else:
                request.parameters[name].double_param = value
        with grpc.insecure_channel(f"127.0.0.1:{self.server.grpc}") as channel:
            reply = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)
        facts = {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in reply.parameters.items()}
        return facts, float(numpy.frombuffer(reply.raw_output_contents[0], "float32")[0])

    def check(self, parameters, variant):
        """Asked both ways, this variant answers."""
        status, answer = self.ask_http(parameters)
        assert status == 200, answer
        facts, value = self.ask_grpc(parameters)
        for told, sum_ in ((answer["parameters"], answer["outputs"][0]["data"][0]), (facts, value)):
            assert told["variant"] == variant, told
            assert told["accuracy"] == pytest.approx({"default": 90, "small": 80.5}[variant])
            assert told["accuracy_source"] == "labels"
            assert sum_ == pytest.approx(self.sums[variant], rel=1e-4, abs=1)

    def memory(self):
        status, answer = self.http("GET", "/cotenant/v1/memory")
        assert status == 200
        return answer


@pytest.fixture(scope="module")
def roomy(repository):
    with Running(repository, "--memory=unlimited") as running:
        yield running


@pytest.fixture(scope="module")
def limited(repository):
    """A server with a budget: one variant is in memory, but while another takes its place."""
    with Running(repository, "--memory=1GiB", "--in-flight-bytes-max=4MiB") as running:
        yield running


def test_the_best_in_memory_answers_unless_another_is_asked_for(roomy):
    roomy.check({"tenant": "default"}, "default")
    roomy.check({"variant": "small"}, "small")
    roomy.check({"variant": "default"}, "default")
    roomy.check({"accuracy_bound": 85.0}, "default")
    roomy.check({"tenant": "careful", "accuracy_bound": 70, "variant": "small"}, "small")


def test_headers_ask_as_parameters_do(roomy):
    status, answer = roomy.ask_http({}, {"x-variant": "small"})
    assert status == 200 and answer["parameters"]["variant"] == "small"
    status, answer = roomy.ask_http({}, {"X-Accuracy-Bound": "95"})
    assert status == 400 and "cannot be met: variant 'default' of model 'm' has 90" in answer["error"]


def test_a_plain_request_gets_a_plain_reply(roomy):
    status, answer = roomy.ask_http({})
    assert status == 200 and "parameters" not in answer


def test_what_no_variant_gives_is_refused_alike_over_both(roomy):
    for parameters, text in [({"variant": "int4"}, "model 'm' has no variant 'int4'; it has default, small"),
                             ({"variant": "small", "accuracy_bound": 85}, "variant 'small' of model 'm' has 80.5")]:
        status, answer = roomy.ask_http(parameters)
        assert status == 400 and text in answer["error"]
        with pytest.raises(grpc.RpcError) as error:
            roomy.ask_grpc(parameters)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT and text in error.value.details()


def test_one_name_with_its_variants_on_the_memory_page(roomy):
    rows = roomy.memory()["models"]
    assert [row["name"] for row in rows] == ["m"]
    assert [variant["name"] for variant in rows[0]["variants"]] == ["default", "small"]
    assert [row["name"] for row in rows[0]["dropped_variants"]] == ["wrong"]
    assert rows[0]["dropped_variants"][0]["reason"] == "it has no input 'x'"
    status, index = roomy.http("POST", "/v2/repository/index", "{}")
    assert status == 200 and [row["name"] for row in index] == ["m"]
    status, metadata = roomy.http("GET", "/v2/models/m")
    assert status == 200 and metadata["inputs"][0]["name"] == "x"


def test_within_a_budget_they_take_turns_and_requests_say_which(limited):
    for _ in range(3):
        limited.check({"accuracy_bound": 85}, "default")
        limited.check({"variant": "small"}, "small")
    limited.check({"tenant": "careful"}, "default")
    row = limited.memory()["models"][0]
    assert row["evictions"] >= 3
    sizes = [variant["mapped"] + variant["anonymous"] for variant in row["variants"]]
    assert 3 * MIB < sizes[1] < sizes[0] and limited.memory()["ledger"]["models"] <= sum(sizes)


def test_a_sequence_stays_where_it_began(roomy):
    roomy.ask_http({"sequence_id": 7, "sequence_start": True, "variant": "small"})
    status, answer = roomy.ask_http({"sequence_id": 7, "tenant": "default"})
    assert status == 200 and answer["parameters"]["variant"] == "small"
    status, answer = roomy.ask_http({"sequence_id": 7, "sequence_end": True, "tenant": "default"})
    assert answer["parameters"]["variant"] == "small"
    status, answer = roomy.ask_http({"sequence_id": 7, "tenant": "default"})
    assert answer["parameters"]["variant"] == "default"
