"""`cotenant profile` measures a network, `cotenant serve` goes by it, and notices when it is stale."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))

SCENARIO = """
lasts_s = 1

[device]
profile = "mlp.json"

[[models]]
name = "mlp"
max_batch_size = 4
profile = "mlp.json"

[[load]]
model = "mlp"
pattern = "poisson"
rate_per_s = 50
"""


def profile(*arguments):
    return subprocess.run([COTENANT, "profile", *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A repository of one network, measured once."""
    folder = tmp_path_factory.mktemp("profile")
    shutil.copytree(harness.PROJECT / "tests/models/mlp", folder / "models/mlp")
    done = profile(folder / "models", "--batch=1,4", "--seconds=1", f"--state-dir={folder}/state", "--beside",
                   f"--output={folder}/mlp.json", f"--json={folder}/result.json")
    assert done.returncode == 0, done.stderr
    assert "mlp" in done.stdout and "beside p50" in done.stdout and "(kept)" in done.stdout
    return folder


def test_the_result_has_its_keys(measured):
    result = json.loads((measured / "result.json").read_text())
    assert list(result) == ["command", "cpu", "onnxruntime_version", "cotenant_version", "slots", "models",
                            "node_costs", "not_measured", "wall"]
    model = result["models"][0]
    network = (measured / "models/mlp/1/model.onnx").read_bytes()
    assert model["name"] == "mlp" and model["hash"] == hashlib.sha256(network).hexdigest()
    assert [run["rows"] for run in model["runs"]] == [1, 4]
    for run in model["runs"]:
        assert run["peak_bytes"] > 0
        kinds = ["alone", "beside"] if result["slots"] > 1 else ["alone"]
        for kind in kinds:
            times = run[kind]
            assert 0 < times["min_ns"] <= times["p50_ns"] <= times["p99_ns"] <= times["max_ns"]
            assert times["count"] >= 2
    assert model["load"]["count"] >= 2 and model["load"]["p50_ns"] > 0
    assert model["load_peak_bytes"] >= model["mapped_bytes"] + model["anonymous_bytes"] > 0
    kept = json.loads((measured / "mlp.json").read_text())["models"][0]
    assert kept["load_peak_bytes"] == model["load_peak_bytes"]
    assert [node["kept"] for node in result["node_costs"]] == [False, True, False]
    for node in result["node_costs"]:
        for kind in ["read", "hand_over", "reply"]:
            assert node[kind]["count"] > 5 and node[kind]["p50_ns"] > 0
        assert node["client_p50_ns"] > 1_000_000
    assert set(result["wall"]) == {"started", "took_s", "host_steal_percent", "others_percent"}


def test_what_shapes_cost_is_measured_side_by_side_and_the_first_is_kept(tmp_path):
    name = "identity_fp32"
    shutil.copytree(harness.PROJECT / "tests/models" / name, tmp_path / "models" / name)
    shapes = ["4", "400000", "8"]
    done = profile(tmp_path / "models", "--batch=1", "--seconds=0.5", "--no-node", f"--state-dir={tmp_path}",
                   f"--json={tmp_path}/result.json", *(f"--shape={name}/in={shape}" for shape in shapes))
    assert done.returncode == 0, done.stderr
    model = json.loads((tmp_path / "result.json").read_text())["models"][0]
    measured = [model, *model["other_shapes"]]
    assert [row["inputs"] for row in measured] == [f"in [1,{shape}]" for shape in shapes]
    assert all(row["inputs"] in done.stdout for row in measured)
    least = [row["runs"][0]["alone"]["min_ns"] for row in measured]
    assert least[1] > least[0] and measured[1]["request_bytes"] > measured[0]["request_bytes"]
    kept = json.loads((tmp_path / "profile.json").read_text())["models"][0]["runs"][0]["alone_ns"]
    assert kept[0] == least[0]


def test_the_profile_is_kept_in_all_three_places(measured):
    kept = [json.loads(path.read_text()) for path in
            (measured / "state/profile.json", measured / "models/mlp/profile.json", measured / "mlp.json")]
    assert kept[0] == kept[1] == kept[2]
    runs = kept[0]["models"][0]["runs"]
    assert len(runs[0]["alone_ns"]) >= 2 and runs[0]["alone_ns"] == sorted(runs[0]["alone_ns"])


def test_a_scenario_takes_the_file(measured):
    (measured / "small.toml").write_text(SCENARIO)
    done = subprocess.run([COTENANT, "simulate", str(measured / "small.toml")], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mlp" in done.stdout


def serve(repository, *flags):
    return harness.Server([COTENANT, "serve"], repository, *flags).wait()


def bounded_by(server, milliseconds):
    """The status of the server's very first request, with this bound."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 64], "data": [0.5] * 64}],
                       "parameters": {"latency_bound_ms": milliseconds}}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{server.http}/v2/models/mlp/infer", data=body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def slowed(path, factor):
    """The profile as of a network that is so much slower."""
    content = json.loads(path.read_text())
    for run in content["models"][0]["runs"]:
        for kind in ["alone_ns", "beside_ns"]:
            run[kind] = [time * factor for time in run[kind]]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("place", ["state", "models/mlp"])
def test_the_first_request_is_judged_by_the_profile(measured, tmp_path, place):
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    for other in {"state", "models/mlp"} - {place}:
        (tmp_path / other / "profile.json").unlink()
    slowed(tmp_path / place / "profile.json", 100_000)
    server = serve(tmp_path / "models", f"--state-dir={tmp_path}/state")
    try:
        assert "run times are known from its profile" in server.log_text()
        assert bounded_by(server, 100) == 503
    finally:
        server.stop()


def test_without_a_profile_the_first_request_is_admitted(measured, tmp_path):
    shutil.copytree(measured / "models", tmp_path / "models")
    (tmp_path / "models/mlp/profile.json").unlink()
    server = serve(tmp_path / "models", f"--state-dir={tmp_path}/none")
    try:
        assert "profile" not in server.log_text()
        assert bounded_by(server, 5000) == 200
    finally:
        server.stop()


@pytest.mark.parametrize("key,remark", [("cpu", "CPU 'another'"), ("onnxruntime_version", "ONNX Runtime 'another'"),
                                        ("hash", "another content (hash)")])
def test_a_stale_profile_is_named_once_and_not_used(measured, tmp_path, key, remark):
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    (tmp_path / "models/mlp/profile.json").unlink()
    slowed(tmp_path / "state/profile.json", 100_000)
    content = json.loads((tmp_path / "state/profile.json").read_text())
    (content["models"][0] if key == "hash" else content)[key] = "another"
    (tmp_path / "state/profile.json").write_text(json.dumps(content))
    server = serve(tmp_path / "models", f"--state-dir={tmp_path}/state")
    try:
        assert server.log_text().count(remark) == 1
        assert bounded_by(server, 5000) == 200
    finally:
        server.stop()


@pytest.fixture(scope="module")
def recorded(measured, tmp_path_factory):
    """A log of a server that answered requests, some of them of two rows: enough where many come in one turn with the end of the
    reply before, and then say nothing of reading."""
    log = tmp_path_factory.mktemp("recorded") / "events.log"
    server = serve(measured / "models", f"--state-dir={measured}/state", f"--record={log}")
    try:
        for rows in [1] * 240 + [2] * 5:
            body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 64],
                                           "data": [0.5] * 64 * rows}]}).encode()
            url = f"http://127.0.0.1:{server.http}/v2/models/mlp/infer"
            with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=20) as answer:
                assert answer.status == 200
    finally:
        server.stop()
    return log


def test_a_log_refines_what_is_kept(measured, recorded, tmp_path):
    shutil.copytree(measured / "state", tmp_path / "state")
    slowed(tmp_path / "state/profile.json", 1_000_000)  # Longer than a busy machine takes for any run.
    before = json.loads((tmp_path / "state/profile.json").read_text())
    done = profile(measured / "models", f"--from-log={recorded}", f"--state-dir={tmp_path}/state",
                   f"--output={tmp_path}/refined.json", f"--json={tmp_path}/result.json")
    assert done.returncode == 0, done.stderr
    assert "mlp" in done.stdout and "hand-over" in done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["from_logs"] == [str(recorded)] and result["not_refined"] == []
    assert [run["rows"] for run in result["models"][0]["runs"]] == [1, 2, 4]
    assert result["models"][0]["runs"][0]["recorded_alone"] >= 50
    assert result["node_costs"]["read"]["recorded"] >= 50
    after = json.loads((tmp_path / "state/profile.json").read_text())
    assert after == json.loads((tmp_path / "refined.json").read_text())
    kept, runs = before["models"][0]["runs"], after["models"][0]["runs"]
    assert max(runs[0]["alone_ns"]) < min(kept[0]["alone_ns"])  # As recorded.
    assert runs[2] == kept[1]  # Four rows were not seen: as measured.
    assert after["models"][0]["hash"] == before["models"][0]["hash"]


def test_a_log_alone_makes_a_profile_that_a_scenario_takes(measured, recorded, tmp_path):
    done = profile(measured / "models", f"--from-log={recorded}", f"--state-dir={tmp_path}/new",
                   f"--output={tmp_path}/mlp.json")
    assert done.returncode == 0, done.stderr
    (tmp_path / "small.toml").write_text(SCENARIO)
    done = subprocess.run([COTENANT, "simulate", str(tmp_path / "small.toml")], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_log_of_other_models_or_none_is_named(recorded, tmp_path):
    shutil.copytree(harness.PROJECT / "tests/models/identity_fp32", tmp_path / "models/identity_fp32")
    done = profile(tmp_path / "models", f"--from-log={recorded}", f"--state-dir={tmp_path}/state")
    assert done.returncode == 2 and "no model" in done.stderr
    (tmp_path / "none.log").write_text("no log")
    done = profile(tmp_path / "models", f"--from-log={tmp_path}/none.log", f"--state-dir={tmp_path}/state")
    assert done.returncode == 2 and "log 1: offset 0" in done.stderr


def test_a_profile_written_beside_a_polled_model_reloads_nothing(measured, tmp_path):
    shutil.copytree(measured / "models", tmp_path / "models")
    beside = (tmp_path / "models/mlp/profile.json")
    content = beside.read_text()
    beside.unlink()
    server = serve(tmp_path / "models", f"--state-dir={tmp_path}/none", "--model-control-mode=poll",
                   "--repository-poll-secs=1")
    try:
        assert server.log_text().count("is ready") == 1
        beside.write_text(content)
        time.sleep(2.5)
        assert server.log_text().count("is ready") == 1
        os.utime(tmp_path / "models/mlp/1/model.onnx")
        deadline = time.monotonic() + 20
        while server.log_text().count("is ready") < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert server.log_text().count("is ready") == 2
        assert "run times are known from its profile" in server.log_text()
    finally:
        server.stop()


def test_a_model_that_cannot_be_measured_is_named_and_the_others_are(tmp_path):
    for name in ["broken", "identity_fp32"]:
        shutil.copytree(harness.PROJECT / "tests/models" / name, tmp_path / "models" / name)
    done = profile(tmp_path / "models", "--seconds=0.2", "--no-node", f"--state-dir={tmp_path}/state",
                   f"--json={tmp_path}/result.json")
    assert done.returncode == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert [model["name"] for model in result["models"]] == ["identity_fp32"]
    assert result["not_measured"][0]["model"].startswith("broken")
    assert "not measured: broken" in done.stdout


def test_wrong_arguments_are_named():
    done = profile("models", "--batch=0", "--shape=mlp", "--sconds=3")
    assert done.returncode == 2
    for part in ["--batch", "--shape", "--sconds", "--seconds"]:
        assert part in done.stderr
