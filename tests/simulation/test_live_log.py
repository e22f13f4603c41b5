"""A log that a live server once wrote is kept, and replays byte for byte as long as its format and the decisions are
these. It has evictions and loads, batches, clients that vanish, and refusals. COTENANT_RECORD=1 records it anew, after a
change of either that was meant."""

import concurrent.futures
import csv
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import time

import pytest

from test_memory import Running, write_model
from test_simulate import COTENANT, ROOT

LOG = pathlib.Path(__file__).with_name("recorded") / "live.log"
BYTES_MAX = 100_000
MODELS = 4
BATCHING = "max_batch_size: 8\ndynamic_batching { max_queue_delay_microseconds: 20000 }\n"


def ask_slow(running, turns, **headers):
    body = {"id": f"slow-{turns}", "inputs": [{"name": "turns", "datatype": "INT64", "shape": [1], "data": [turns]}]}
    connection = http.client.HTTPConnection("127.0.0.1", running.server.http, timeout=60)
    connection.request("POST", "/v2/models/slow/infer", json.dumps(body), headers)
    status = connection.getresponse().status
    connection.close()
    return status


def vanish(running, turns):
    """A client that goes away while its request runs."""
    body = json.dumps({"inputs": [{"name": "turns", "datatype": "INT64", "shape": [1], "data": [turns]}]})
    with socket.create_connection(("127.0.0.1", running.server.http)) as client:
        head = f"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        time.sleep(0.05)


def record(folder):
    repository = folder / "models"
    sums = [write_model(repository, number) for number in range(MODELS)]
    for number in range(MODELS):
        (repository / f"model_{number}/config.pbtxt").write_text(BATCHING)
    shutil.copytree(ROOT / "tests/models/slow", repository / "slow")
    log = folder / "live.log"
    with Running((repository, sums), "--memory=96MiB", "--in-flight-bytes-max=4MiB", f"--record={log}") as running:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for number in random.Random(4).choices(range(MODELS), k=60):
                assert all(status == 200 for status, _ in pool.map(running.ask, [number] * 4))
        for _ in range(5):
            assert ask_slow(running, 8) == 200
        # The shortest bounds pass before they are read.
        assert 503 in [ask_slow(running, 8, **{"x-latency-bound-ms": str(bound)}) for bound in (2, 1, 0.5, 0.2)]
        for _ in range(3):
            vanish(running, 400)
        metrics = running.metrics()
    evictions = sum(float(line.split()[-1]) for line in metrics.splitlines()
                    if line.startswith("cotenant_model_evictions_total"))
    assert evictions >= 4, metrics
    shutil.copy(log, LOG)


@pytest.fixture(scope="module")
def live_log(tmp_path_factory):
    if os.environ.get("COTENANT_RECORD"):
        record(tmp_path_factory.mktemp("live"))
    return LOG


def test_a_live_log_that_was_kept_replays_byte_for_byte(live_log, tmp_path):
    assert live_log.stat().st_size < BYTES_MAX
    outcome = subprocess.run([COTENANT, "simulate", "--replay", live_log, "--json", tmp_path / "replay.json"],
                             capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0 and "byte for byte" in outcome.stdout, outcome.stdout + outcome.stderr
    replay = json.loads((tmp_path / "replay.json").read_text())
    assert replay["equal"] and replay["gaps"] == 0 and replay["torn_bytes"] == 0


def test_the_log_that_is_kept_has_what_it_is_kept_for(live_log, tmp_path):
    words = ["trace", live_log, "--decisions", tmp_path / "decisions.csv", "--json", tmp_path / "trace.json"]
    outcome = subprocess.run([COTENANT, *words], capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    rows = list(csv.reader((tmp_path / "decisions.csv").read_text().splitlines()))
    ends = {row[3] for row in rows if row[0] == "ended"}
    assert {"replied", "rejected", "cancelled"} <= ends
    assert any(";" in row[-1] for row in rows if row[0] == "run"), "no batch"
    story = subprocess.run([COTENANT, "explain", live_log, "--request=slow-8", "--json", tmp_path / "story.json"],
                           capture_output=True, text=True, timeout=60)
    assert story.returncode == 0 and "9 requests have the id 'slow-8'" in story.stdout, story.stdout
