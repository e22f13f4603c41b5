"""Why a request went as it did: policies, the ring of decisions, recorded logs, and the story of one request."""

import json
import os
import shutil
import struct
import subprocess
import urllib.error
import urllib.request

import pytest

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))
# The network's turns take a fraction of a millisecond or more: eight of them are more than any machine does
# 4,000 times a second.
OVERLOAD = """
lasts_s = 3

[[tenants]]
name = "shop"
latency_bound_ms = 40

[[models]]
name = "slow"
run_us = 5000
inputs = { turns = "turns.bin" }

[[load]]
tenant = "shop"
model = "slow"
pattern = "poisson"
rate_per_s = 4000
gone_percent = 10
gone_after_ms = 5
"""


def cotenant(*words):
    return subprocess.run([COTENANT, *map(str, words)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A server that was overloaded, asked for its decisions, reloaded, and drained: its log and its decisions."""
    folder = tmp_path_factory.mktemp("recorded")
    repository = folder / "models"
    shutil.copytree(harness.PROJECT / "tests/models/slow", repository / "slow")
    (folder / "server.toml").write_text('[[tenants]]\nname = "shop"\n')
    log = folder / "events.log"
    server = harness.Server([COTENANT, "serve"], repository, f"--config={folder / 'server.toml'}", f"--record={log}",
                            "--model-control-mode=explicit", "--load-model=*", f"--state-dir={folder}",
                            "--decisions-max=100000").wait()
    scenario, result = folder / "overload.toml", folder / "result.json"
    scenario.write_text(OVERLOAD)
    (folder / "turns.bin").write_bytes(struct.pack("<q", 8))
    url = f"http://127.0.0.1:{server.http}"
    playing = subprocess.Popen([COTENANT, "load", scenario, "--url", url, "--json", result], stdout=subprocess.PIPE)
    for _ in range(3):
        request = urllib.request.Request(f"{url}/v2/repository/models/slow/load", data=b"{}", method="POST")
        urllib.request.urlopen(request, timeout=30).read()
    playing.communicate(timeout=60)
    decisions = json.loads(urllib.request.urlopen(f"{url}/cotenant/v1/decisions?last=100000", timeout=30).read())
    for name in ["frame-17", "frame-18", "frame-18"]:
        turns = {"name": "turns", "datatype": "INT64", "shape": [1], "data": [8]}
        body = {"id": name, "parameters": {"tenant": "shop"}, "inputs": [turns]}
        request = urllib.request.Request(f"{url}/v2/models/slow/infer", data=json.dumps(body).encode())
        assert json.loads(urllib.request.urlopen(request, timeout=30).read())["id"] == name
    with pytest.raises(urllib.error.HTTPError) as wrong:
        urllib.request.urlopen(f"{url}/cotenant/v1/decisions?last=many", timeout=10)
    assert wrong.value.code == 400 and "last" in wrong.value.read().decode()
    server.stop()
    return log, decisions, json.loads(result.read_text())


def test_policies_are_listed_with_what_they_declare(tmp_path):
    assert "edf" in cotenant("policies", "--json", tmp_path / "policies.json").stdout
    policies = json.loads((tmp_path / "policies.json").read_text())["policies"]
    kinds = {"dispatch", "batching", "admission", "residency", "prediction"}
    assert kinds == {policy["kind"] for policy in policies}
    assert {"least-slack", "shortest-first"} <= {policy["name"] for policy in policies}
    assert all(policy["description"] for policy in policies)


def test_a_live_log_of_overload_reloads_and_a_drain_replays_byte_for_byte(recorded, tmp_path):
    log, _, result = recorded
    outcome = cotenant("simulate", "--replay", log, "--json", tmp_path / "replay.json")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    replay = json.loads((tmp_path / "replay.json").read_text())
    assert replay["equal"] and replay["gaps"] == 0 and replay["torn_bytes"] == 0
    assert replay["arrivals"] >= result["all"]["replied"] + result["all"]["rejected"] > 1_000
    assert result["all"]["replied"] > 0


def test_a_refusal_says_what_was_compared(recorded):
    _, decisions, result = recorded
    refused = [decision for decision in decisions["decisions"] if decision["kind"] == "refused"]
    by_admission = [row for row in refused if "feasible" in row["text"]]
    assert len(by_admission) > 100, (result["all"], refused[:3])
    assert all(row["estimate_ms"] > 0 and row["latency_bound_ms"] == 40 for row in by_admission), by_admission[:3]
    started = [decision for decision in decisions["decisions"] if decision["kind"] == "started"]
    assert started and all("edf" in row["text"] for row in started)


def test_the_story_of_a_request_is_told_from_the_log(recorded, tmp_path):
    log, decisions, _ = recorded
    number = next(row["request"] for row in decisions["decisions"] if row["kind"] == "started")
    outcome = cotenant("explain", log, f"--request={number}", "--json", tmp_path / "story.json")
    assert outcome.returncode == 0, outcome.stderr
    story = json.loads((tmp_path / "story.json").read_text())
    text = " ".join(step["text"] for step in story["story"])
    assert "arrives" in text and "starts" in text or "joins" in text
    assert story["request"] == number
    assert "slow" in text and "shop" in text and "model 0" not in outcome.stdout, text
    missing = cotenant("explain", log, "--request=1")
    assert missing.returncode != 0 and "request 1 " in missing.stderr


def test_a_request_is_found_in_a_log_by_the_id_that_its_client_gave(recorded, tmp_path):
    log, _, _ = recorded

    def explained(name):
        outcome = cotenant("explain", log, f"--request={name}", "--json", tmp_path / "story.json")
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout, json.loads((tmp_path / "story.json").read_text())

    text, one = explained("frame-17")
    assert "its answer is written" in text and one["asked"] == "frame-17" and one["story"]
    assert explained(one["request"])[1]["story"] == one["story"]
    text, several = explained("frame-18")
    assert "2 requests have the id 'frame-18'" in text and "story" not in several
    numbers = [row["request"] for row in several["requests"]]
    assert len(set(numbers)) == 2 and all(str(number) in text for number in numbers)
    assert [row["model"] for row in several["requests"]] == ["slow", "slow"]
    missing = cotenant("explain", log, "--request=frame-19")
    assert missing.returncode == 1 and "request frame-19 does not arrive" in missing.stderr


def test_the_recorded_load_is_simulated_under_another_policy(recorded, tmp_path):
    log, _, result = recorded
    outcome = cotenant("trace", log, "--output", tmp_path / "load.csv", "--scenario", tmp_path / "load.toml", "--json",
                       tmp_path / "trace.json")
    assert outcome.returncode == 0, outcome.stderr
    trace = json.loads((tmp_path / "trace.json").read_text())
    replay = cotenant("simulate", "--replay", log, "--json", tmp_path / "replay.json")
    assert replay.returncode == 0
    assert trace["arrivals"] == json.loads((tmp_path / "replay.json").read_text())["arrivals"] > 1_000
    assert [(row["tenant"], row["model"]) for row in trace["requests"]] == [("shop", "slow")]
    outcome = cotenant("simulate", tmp_path / "load.toml", "--policy=dispatch=fifo", "--json", tmp_path / "fifo.json")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert json.loads((tmp_path / "fifo.json").read_text())["all"]["requests"] == trace["arrivals"]


@pytest.mark.parametrize("words,expected", [
    (["trace"], "give one event log or more: cotenant trace"),
    (["trace", "LOG", "--scenario=s.toml"], "--scenario needs --output"),
    (["trace", "LOG", "--profile=p.json"], "--profile is the scenario's"),
    (["trace", "nowhere.log"], "nowhere.log"),
    (["trace", __file__], "log 1: offset 0: this is not an event log"),
    (["explain", "LOG"], "expected --request=ID"),
    (["explain", "--request=1"], "give one event log and a request's id"),
    (["policies", "edf"], "give no words, flags only"),
])
def test_wrong_use_is_answered_by_name(recorded, words, expected):
    outcome = cotenant(*[recorded[0] if word == "LOG" else word for word in words])
    assert outcome.returncode == 2 and outcome.stdout == "", outcome.stdout
    assert expected in outcome.stderr, outcome.stderr
