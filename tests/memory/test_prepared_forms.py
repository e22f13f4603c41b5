"""Real samples for `cotenant prepare`, and the forms that it keeps as variants of a model that is served."""

import http.client
import json
import pathlib

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

import harness
from test_memory import COTENANT, MIB, SANITIZED
from test_prepare import prepare

QUANTISER = f"--quantiser={harness.PROJECT / 'tools/quantise'}"
INS, OUTS = 512, 4096  # 8 MiB of weights.


def write_network(repository, name="dense"):
    chance = numpy.random.default_rng(3)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["words", "weights"], ["y"])], name,
        [helper.make_tensor_value_info("words", TensorProto.FLOAT, [1, "length", INS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "length", OUTS])],
        [numpy_helper.from_array(chance.standard_normal((INS, OUTS)).astype("float32"), "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = repository / name / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(model.SerializeToString())


def write_sample(data, sample, length, named=None):
    values = numpy.random.default_rng(length).standard_normal((1, length, INS)).astype("float32")
    place = data / "dense" / sample
    place.mkdir(parents=True)
    (place / (named or f"words.1x{length}x{INS}")).write_bytes(values.tobytes())


def report_of(folder, cache, *flags):
    report = folder / "report.json"
    prepare(folder / "models", cache, f"--json={report}", *flags)
    return json.loads(report.read_text())["networks"][0]


@pytest.fixture
def folder(tmp_path):
    write_network(tmp_path / "models")
    return tmp_path


def test_a_network_is_measured_and_compared_with_the_samples_that_are_given(folder):
    cache = folder / "cache"
    random = report_of(folder, cache)
    assert random["samples"] == 0
    write_sample(folder / "data", "short", 2, named="words")  # Its size tells the one open dimension.
    write_sample(folder / "data", "long", 300)
    real = report_of(folder, cache, f"--data={folder / 'data'}")
    assert real["samples"] == 2 and not real["was_there"]
    # The longest sample's answer alone takes so much.
    assert real["shipped"]["run_peak_bytes"] >= 300 * OUTS * 4 > random["shipped"]["run_peak_bytes"]
    manifest = json.loads(next(cache.rglob("manifest.json")).read_text())
    shapes = {shape["inputs"] for shape in manifest["shipped"]["shapes"]}
    assert shapes == {f"words [1,2,{INS}]", f"words [1,300,{INS}]"}
    assert not list(cache.rglob("samples.json"))
    assert report_of(folder, cache)["was_there"], "what samples told is not lost to random inputs"
    write_sample(folder / "data", "more", 5)
    assert not report_of(folder, cache, f"--data={folder / 'data'}")["was_there"]


def test_the_data_of_warm_ups_are_samples(folder):
    place = folder / "models/dense"
    (place / "warmup").mkdir()
    (place / "warmup/words").write_bytes(numpy.ones((1, 7, INS), "float32").tobytes())
    (place / "config.pbtxt").write_text(
        'model_warmup [{ name: "seven" inputs { key: "words" value { data_type: TYPE_FP32 dims: [1, 7, %d] '
        'input_data_file: "words" } } }]' % INS)
    assert report_of(folder, folder / "cache")["samples"] == 1
    manifest = json.loads(next((folder / "cache").rglob("manifest.json")).read_text())
    assert manifest["shipped"]["shapes"][0]["inputs"] == f"words [1,7,{INS}]"


@pytest.mark.parametrize("named, size", [("words.1x3x7", 84), ("words", 100), ("other", INS * 4)])
def test_a_sample_that_is_none_is_named(folder, named, size):
    place = folder / "data/dense/wrong"
    place.mkdir(parents=True)
    (place / named).write_bytes(bytes(size))
    outcome = prepare(folder / "models", folder / "cache", f"--data={folder / 'data'}", code=1)
    assert str(place) in outcome.stdout and "1 failed" in outcome.stdout


class Client:
    def __init__(self, folder, *flags):
        self.server = harness.Server([COTENANT, "serve"], folder / "models", f"--cache-dir={folder / 'cache'}",
                                     "--in-flight-bytes-max=4MiB", *flags).wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=60)
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        text = reply.read()
        connection.close()
        return reply.status, json.loads(text)

    def ask(self, **parameters):
        status, answer = self.request("POST", "/v2/models/dense/infer", json.dumps({
            "parameters": {"tenant": "default", **parameters},
            "inputs": [{"name": "words", "shape": [1, 1, INS], "datatype": "FP32", "data": [1.0] * INS}]}))
        assert status == 200, answer
        return answer["parameters"]

    def memory(self):
        return self.request("GET", "/cotenant/v1/memory")[1]

    def variants(self):
        return {row["name"]: row for row in self.memory()["models"][0]["variants"]}


@pytest.fixture
def quantised(folder):
    write_sample(folder / "data", "one", 4)
    found = report_of(folder, folder / "cache", f"--data={folder / 'data'}", QUANTISER)
    names = {form["name"]: form for form in found["forms"]}
    assert "int8" in names, found
    assert not names["int8"]["exact"] and not names["int8"]["served"]
    return folder


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_a_smaller_form_answers_only_who_allows_it(quantised):
    with Client(quantised, "--memory=1GiB") as client:
        variants = client.variants()
        assert variants["int8"]["accuracy"] == 99 and variants["int8"]["accuracy_source"] == "agreement"
        assert variants["int8"]["mapped"] < variants["default"]["mapped"] / 3
        assert client.ask()["variant"] != "int8"
        assert client.ask(variant="int8")["accuracy_source"] == "agreement"
        # It is in memory now, and still nobody gets it unasked.
        assert client.ask()["variant"] != "int8"
        assert client.ask(accuracy_bound=98)["accuracy"] >= 98
        status, answer = client.request("POST", "/v2/models/dense/infer", "{}", {"x-accuracy-bound": "101"})
        assert status == 400, answer


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_without_a_budget_only_one_form_is_in_memory(quantised):
    with Client(quantised, "--memory=unlimited") as client:
        assert "variants" not in client.memory()["models"][0]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_where_only_the_smaller_form_has_room_and_may_answer_it_does(quantised):
    prepare(quantised / "models", quantised / "cache", QUANTISER, "--agreement=95")
    with Client(quantised, "--memory=1GiB", "--slots=1") as client:
        parts = client.memory()["budget"]
    # The exact forms have 8 MiB of weights; 4 MiB stay for runs.
    budget = parts["base"] + 11 * MIB
    budget += min(parts["requests"], budget // 7)  # An eighth of the whole at most.
    with Client(quantised, f"--memory={budget}", "--parked-max=0", "--slots=1") as client:
        answer = client.ask()
        assert answer["start"] in ("warm", "cold")
        assert client.memory()["models"][0]["mapped"] < 4 * MIB


def test_what_the_owner_declared_is_not_added_to(quantised):
    """Whoever wrote down variants and nothing of a least accuracy chose those, and no others with losses."""
    place = quantised / "models/dense"
    (place / "1/model.own.onnx").write_bytes((place / "1/model.onnx").read_bytes())
    (place / "cotenant.toml").write_text('[[variant]]\nname = "own"\naccuracy = 90\naccuracy_source = "agreement"\n')
    report_of(quantised, quantised / "cache", f"--data={quantised / 'data'}", QUANTISER)
    with Client(quantised, "--memory=1GiB") as client:
        assert "int8" not in client.variants() and "own" in client.variants()
