"""`cotenant reproduce edge-multiai --live`: real servers of tiny networks, and the simulated runs beside them."""

import json
import os
import subprocess
import time
import xml.etree.ElementTree

import numpy
from onnx import TensorProto, helper, numpy_helper

from test_memory import COTENANT

INPUT, LARGE, SMALL = 256, 4096, 512  # 4 MiB and half of one.


def write_network(path, width):
    weights = numpy.random.default_rng(width).integers(-8, 8, (INPUT, width)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["columns"]),
         helper.make_node("ReduceSum", ["columns", "axes"], ["y"], keepdims=1)],
        "sum", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", INPUT])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(numpy.array([1]), "axes")])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                       ir_version=8).SerializeToString())


def live(repository, *flags):
    return subprocess.run([COTENANT, "reproduce", "edge-multiai", "--live", f"--models={repository}", *flags],
                          capture_output=True, text=True, timeout=300)


def test_four_policies_are_served_and_simulated_and_nothing_stays(tmp_path):
    repository = tmp_path / "models"
    for name in ("one", "two"):
        write_network(repository / name / "1/model.onnx", LARGE)
    write_network(repository / "two/1/model.small.onnx", SMALL)
    (repository / "two/cotenant.toml").write_text('accuracy = 90\n[[variant]]\nname = "small"\naccuracy = 85\n')
    (repository / "one/config.pbtxt").write_text('name: "one"\nmax_batch_size: 4\n')
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = tmp_path / "result.json"
    outcome = subprocess.run(
        [COTENANT, "reproduce", "edge-multiai", "--live", f"--models={repository}", "--seconds=8", "--tenants=3",
         "--interval=0.2", "--budget=70", "--seeds=5..5", f"--json={result}"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "TMPDIR": str(scratch)})
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    report = json.loads(result.read_text())
    assert report["tenants"] == 3 and report["seed"] == 5 and report["wall"]["took_s"] >= 8
    names = [row["policy"] for row in report["policies"]]
    assert names == ["marginal-value", "greedy-dual", "lru, best variants", "lru, smallest variants"]
    for row in report["policies"]:
        assert row["live"]["requests"] == row["simulated"]["requests"] > 0
        assert row["live"]["refused"] < row["live"]["requests"]
        assert row["live"]["cold_starts"] <= row["live"]["requests"]
        assert row["live"]["cgroup_kills"] in (None, 0)
    # One of the three tenants has a smaller network, five points worse.
    assert report["policies"][2]["live"]["points_lost"] == 0 < report["policies"][3]["live"]["points_lost"] <= 5
    assert "goal" in outcome.stdout and "simulated" in outcome.stdout
    assert not list(scratch.iterdir())


def test_a_repository_is_needed_and_has_models(tmp_path):
    assert live("", "--seconds=4").returncode == 2
    empty = live(tmp_path, "--seconds=4")
    assert empty.returncode == 1 and "no models" in empty.stderr


def test_the_sweeps_are_drawn(tmp_path):
    outcome = subprocess.run([COTENANT, "reproduce", "edge-multiai", "--seeds=1..1", f"--plots={tmp_path / 'plots'}"],
                             capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    plots = sorted(path.stem for path in (tmp_path / "plots").iterdir())
    sweeps = ("applications", "deviation", "memory", "window")
    assert plots == sorted(["error-and-not-warm"] + [f"{sweep}-{measure}" for sweep in sweeps
                                                     for measure in ("error", "not-warm", "tenancy")])
    for path in (tmp_path / "plots").iterdir():
        drawn = xml.etree.ElementTree.parse(path).getroot()
        assert len(drawn.findall(".//{http://www.w3.org/2000/svg}circle")) >= 13


def test_a_signal_ends_it_and_its_server(tmp_path):
    write_network(tmp_path / "models/one/1/model.onnx", SMALL)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [COTENANT, "reproduce", "edge-multiai", "--live", f"--models={tmp_path / 'models'}", "--seconds=3600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "TMPDIR": str(scratch)}) as process:
        while not list(scratch.glob("*/*.log")):
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        assert "stopped" in process.communicate(timeout=120)[1]
        assert process.returncode == 1
    assert not list(scratch.iterdir())
