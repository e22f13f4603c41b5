"""`cotenant load` plays scenarios against `cotenant serve`, and `cotenant compare` reads what it writes."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.request

import pytest

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))
MODELS = ("mlp", "identity_bytes", "identity_int32", "slow")

SMALL = """
description = "Three tenants, three networks"
lasts_s = 2

[[tenants]]
name = "shop"
latency_bound_ms = 1000

[[tenants]]
name = "camera"

[[models]]
name = "mlp"
max_batch_size = 4
run_us = 100

[[models]]
name = "identity_bytes"
run_us = 20

[[models]]
name = "identity_int32"
run_us = 20

[[load]]
tenant = "shop"
model = "mlp"
rows = [1, 4]
pattern = "poisson"
rate_per_s = 200

[[load]]
tenant = "camera"
model = "identity_bytes"
pattern = "periodic"
interval_ms = 20
jitter_ms = 5

[[load]]
model = "identity_int32"
pattern = "constant"
rate_per_s = 100
latency_bound_ms = 900

[[expect]]
tenant = "shop"
bounds_met_percent_min = 50

[[expect]]
replied_min = 1_000_000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("repository")
    for model in MODELS:
        shutil.copytree(harness.PROJECT / "tests/models" / model, repository / model)
    (repository / "cotenant.toml").write_text('[[tenants]]\nname = "shop"\n[[tenants]]\nname = "camera"\n')
    running = harness.Server([COTENANT, "serve"], repository, f"--config={repository / 'cotenant.toml'}")
    yield running.wait()
    running.stop()


@pytest.fixture
def load(server, tmp_path):
    """Plays a scenario; returns the finished process and the result."""

    def play(scenario, *flags):
        path, result = tmp_path / "some.toml", tmp_path / "result.json"
        path.write_text(scenario)
        done = subprocess.run([COTENANT, "load", path, f"--url=http://127.0.0.1:{server.http}", f"--json={result}",
                               *flags], capture_output=True, text=True, timeout=60)
        return done, json.loads(result.read_text()) if result.exists() else None

    return play


def counts(server):
    """The server's own count of replied requests by tenant."""
    found = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/metrics", timeout=10) as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith("cotenant_requests_total{") and 'end="replied"' in line:
                tenant = line.split('tenant="')[1].split('"')[0]
                found[tenant] = found.get(tenant, 0) + float(line.split()[-1])
    return found


def test_every_arrival_is_replied_and_counted_as_the_server_counts(server, load):
    before = counts(server)
    done, result = load(SMALL, "--seed=5")
    assert done.returncode == 0, done.stderr
    after = counts(server)
    tenants = {group["name"]: group for group in result["tenants"]}
    for name, group in tenants.items():
        assert group["requests"] == group["replied"] > 0, done.stdout
        assert after.get(name, 0) - before.get(name, 0) == group["replied"]
        latency = group["latency"]
        assert 0 < latency["min_ns"] <= latency["p50_ns"] <= latency["p99_ns"] <= latency["max_ns"]
    assert 300 < tenants["shop"]["requests"] < 500
    assert tenants["shop"]["rows_replied"] > 1.5 * tenants["shop"]["requests"]
    assert tenants["shop"]["bounded"] == tenants["shop"]["requests"]
    assert tenants["camera"]["bounded"] == 0 and tenants["camera"]["bounds_met_percent"] is None
    assert 98 <= tenants["camera"]["requests"] <= 100
    assert tenants["default"]["requests"] == 200
    assert result["all"]["requests"] == sum(group["requests"] for group in result["tenants"])
    assert [e["held"] for e in result["expectations"]] == [True, False]
    assert result["command"] == "load" and result["scenario"] == "some" and result["seed"] == 5
    assert result["wall"]["client_cpu_ns"] > 0
    assert "shop" in done.stdout and "NOT held: replied_min" in done.stdout and done.stderr == ""


def test_expectations_decide_the_exit_code_when_asked(load):
    done, _ = load(SMALL, "--expect", "--seconds=0.2")
    assert done.returncode == 1
    done, _ = load(SMALL.replace("1_000_000", "1"), "--expect", "--seconds=0.2")
    assert done.returncode == 0


def test_the_same_seed_sends_the_same_requests(load):
    counted = []
    for seed in (7, 7, 8):
        _, result = load(SMALL, f"--seed={seed}", "--seconds=0.5")
        counted.append([group["requests"] for group in result["tenants"]])
    assert counted[0] == counted[1] != counted[2]


def test_refusals_come_with_their_reasons(load):
    # A bound shorter than any run: refused once the node has seen one, or expired before.
    scenario = """
lasts_s = 1
[[models]]
name = "slow"
run_us = 1000
[[load]]
model = "slow"
pattern = "constant"
rate_per_s = 50
latency_bound_ms = 0.01
"""
    done, result = load(scenario)
    group = result["all"]
    assert group["rejected"] + group["expired"] + group["replied"] == group["requests"] == 50
    assert group["bounds_met"] == 0 and group["bounded"] == 50
    assert group["rejected"] == sum(group["rejected_by_reason"].values())
    assert group["rejected_by_reason"]["other"] == 0, done.stdout
    assert group["rejected"] == group["rejected_by_reason"]["not_feasible"], done.stdout
    # Without bounds all are replied; whether they were met is still counted.
    _, result = load(scenario, "--no-bounds")
    assert result["all"]["replied"] == 50 and result["all"]["bounds_met"] == 0


def test_undeclared_tenants_fail_with_the_servers_words_unless_they_are_not_named(load):
    scenario = SMALL.replace('"camera"', '"stranger"')
    done, result = load(scenario, "--seconds=0.3")
    stranger = result["tenants"][2]
    assert stranger["name"] == "stranger" and stranger["failed"] == stranger["requests"] > 0
    assert any("stranger" in error["text"] for error in result["errors"])
    _, result = load(scenario, "--seconds=0.3", "--no-tenants")
    assert result["all"]["replied"] == result["all"]["requests"]


def test_raw_files_are_sent_and_their_sizes_checked(load, tmp_path):
    scenario = """
lasts_s = 0.2
[[models]]
name = "mlp"
run_us = 100
inputs = {%s = "values.raw"}
[[load]]
model = "mlp"
pattern = "constant"
rate_per_s = 100
"""
    (tmp_path / "values.raw").write_bytes(b"1234567")
    done, _ = load(scenario % "wrong_name")
    assert done.returncode == 1 and "has no input 'wrong_name'" in done.stderr
    done, _ = load(scenario % "x")
    assert done.returncode == 1 and "7 bytes" in done.stderr and "values.raw" in done.stderr
    (tmp_path / "values.raw").write_bytes(bytes(4 * 64))
    done, result = load(scenario % "x")
    assert done.returncode == 0 and result["all"]["replied"] == 20, done.stderr


def test_ctrl_c_ends_with_the_results_so_far(server, tmp_path):
    path, result = tmp_path / "long.toml", tmp_path / "result.json"
    path.write_text(SMALL.replace("lasts_s = 2", "lasts_s = 600"))
    running = subprocess.Popen([COTENANT, "load", path, f"--url=http://127.0.0.1:{server.http}", f"--json={result}",
                                "--progress"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "sent" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=20)
    assert running.returncode == 0 and "shop" in out
    written = json.loads(result.read_text())
    assert 0 < written["lasts_ns"] < 60e9 and written["all"]["replied"] > 0


def test_compare_lays_two_results_side_by_side(load, tmp_path):
    _, first = load(SMALL, "--seconds=0.5")
    (tmp_path / "a.json").write_text(json.dumps(first))
    load(SMALL, "--seconds=1")
    command = [COTENANT, "compare", tmp_path / "a.json", tmp_path / "result.json", f"--json={tmp_path / 'c.json'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "tenant shop" in done.stdout and "B / A" in done.stdout, done.stderr
    compared = json.loads((tmp_path / "c.json").read_text())
    constant = next(t for t in compared["tenants"] if t["name"] == "default")["figures"]["requests"]
    assert constant == {"a": 50, "b": 100, "difference": 50, "ratio": 2}


@pytest.mark.parametrize("arguments, words", [
    (["load"], "give one scenario"),
    (["load", "/nowhere.toml"], "/nowhere.toml"),
    (["load", "x.toml", "--sed=1"], "did you mean '--seed'"),
    (["load", "x.toml", "--connections-max=0"], "from 1 to"),
    (["compare", "one.json"], "give two files"),
    (["compare", "/nowhere.json", "/nowhere.json"], "/nowhere.json"),
    (["lod"], "did you mean 'load'"),
])
def test_mistakes_are_named(arguments, words):
    done = subprocess.run([COTENANT, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and words in done.stderr


def test_a_server_that_is_not_there_is_named(tmp_path):
    (tmp_path / "some.toml").write_text(SMALL)
    port = harness.free_ports(1)[0]
    done = subprocess.run([COTENANT, "load", tmp_path / "some.toml", f"--url=http://127.0.0.1:{port}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Connection refused" in done.stderr
