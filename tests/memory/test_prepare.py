"""`cotenant prepare` and serving from its cache: built once, checked before it is mapped, never in the way."""

import json
import os
import shutil
import subprocess

import pytest

import harness
from test_memory import COTENANT, INPUT, MIB, SANITIZED, Running, log_of, write_model

MODELS = 3
TREE = harness.PROJECT / "tests/models"


def prepare(repository, cache, *flags, code=0):
    outcome = subprocess.run([COTENANT, "prepare", str(repository), f"--cache-dir={cache}", "--seconds=0.1", *flags],
                             capture_output=True, text=True, timeout=600)
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    return outcome


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    return folder, [write_model(folder, number) for number in range(MODELS)]


@pytest.fixture(scope="module")
def prepared(repository, tmp_path_factory):
    """(cache, what was said) of a cache that nobody changes."""
    folder = tmp_path_factory.mktemp("cache")
    report = folder / "report.json"
    prepare(repository[0], folder / "cache", f"--json={report}")
    return folder / "cache", json.loads(report.read_text())


@pytest.fixture
def cache(prepared, tmp_path):
    """A copy, to be spoilt."""
    shutil.copytree(prepared[0], tmp_path / "cache")
    return tmp_path / "cache"


def files_in(cache):
    """Which files are there; one that was written anew is another. (A use is noted on the manifest's time.)"""
    return {path.relative_to(cache): path.stat().st_ino for path in cache.rglob("*") if path.is_file()}


def weights_of(cache):
    """A file of weights for each network."""
    return sorted(cache.rglob("weights.bin"))


def served(repository, cache, *flags):
    return Running(repository, f"--cache-dir={cache}", *flags)


def test_each_network_has_a_form_that_loads_with_less(prepared):
    assert len(prepared[1]["networks"]) == MODELS
    for network in prepared[1]["networks"]:
        assert network["forms"], json.dumps(network)
        best = network["forms"][0]
        assert network["prepared"] and best["exact"] and best["agreement_percent"] == 100
        assert best["mapped_bytes"] >= INPUT * 2048 * 4
        if not SANITIZED:
            assert best["anonymous_bytes"] < 4 * MIB < network["shipped"]["anonymous_bytes"]
        assert best["load_peak_bytes"] >= best["mapped_bytes"] + best["anonymous_bytes"]
        reasons = {dropped["name"]: dropped["reason"] for dropped in network["dropped"]}
        assert all(reasons.values()) and len(network["forms"]) + len(reasons) == 3


def test_a_second_time_nothing_is_done(repository, cache):
    before = files_in(cache)
    outcome = prepare(repository[0], cache)
    assert f"{MODELS} networks: 0 prepared, {MODELS} were, 0 failed" in outcome.stdout
    assert files_in(cache) == before


def test_what_was_prepared_is_mapped_and_gives_the_same_answers(repository, cache):
    with served(repository, cache) as running:
        for number in range(MODELS):
            running.check(number)
            row = running.row(number)
            assert row["mapped"] >= INPUT * 2048 * 4
            if not SANITIZED:
                assert row["anonymous"] < 4 * MIB


def test_a_cache_that_moved_to_an_equal_box_serves_there(repository, cache):
    there = cache.with_name("elsewhere")
    cache.rename(there)
    with served(repository, there) as running:
        running.check(0)
        assert running.row(0)["mapped"] > 0


def test_a_spoilt_file_is_named_and_the_network_served_as_shipped_until_it_is_built_again(repository, cache):
    spoilt = weights_of(cache)[0]
    spoilt.chmod(0o644)
    with open(spoilt, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 64)
    with served(repository, cache) as running:
        mapped = [running.check(number) and running.row(number)["mapped"] > 0 for number in range(MODELS)]
        assert sorted(mapped) == [False] + [True] * (MODELS - 1)
        assert str(spoilt) in log_of(running) and "as shipped" in log_of(running)
    outcome = prepare(repository[0], cache)
    assert f"1 prepared, {MODELS - 1} were" in outcome.stdout and spoilt.name in outcome.stdout
    with served(repository, cache) as running:
        assert all(running.check(number) and running.row(number)["mapped"] > 0 for number in range(MODELS))
        assert "as shipped" not in log_of(running)


def test_a_file_cut_short_while_its_network_is_out_hurts_nobody(repository, prepared, cache):
    """The network comes back as shipped."""
    with served(repository, cache, "--memory=2GiB", "--in-flight-bytes-max=4MiB") as running:
        memory = running.memory()
        base, sizes = memory["budget"]["base"], [row["mapped"] + row["anonymous"] for row in memory["models"]]
    budget = base + 36 * MIB + max(sizes)
    with served(repository, cache, f"--memory={budget}", "--in-flight-bytes-max=4MiB") as running:
        for number in range(MODELS):
            running.check(number)
        out = [number for number in range(MODELS) if running.row(number)["state"] in ("out", "parked")]
        if not out:
            pytest.skip("all of them fit")
        for path in weights_of(cache):
            # A new file in its place, as an editor writes: who has the old one mapped keeps it.
            short = path.with_suffix(".short")
            short.write_bytes(path.read_bytes()[:1000])
            os.replace(short, path)
        running.check(out[0])
        assert running.row(out[0])["mapped"] == 0
        assert "served as shipped" in log_of(running)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
@pytest.mark.parametrize("parks", [True, False])
def test_a_network_that_leaves_is_parked_and_comes_back(repository, cache, parks):
    prepare(repository[0], cache)
    flags = [] if parks else ["--parked-max=0"]
    with served(repository, cache, "--memory=2GiB", "--in-flight-bytes-max=4MiB", *flags) as running:
        memory = running.memory()
        base, sizes = memory["budget"]["base"], [row["mapped"] + row["anonymous"] for row in memory["models"]]
        assert (memory["budget"]["parked"] > 0) == parks and memory["parked"] == 0
    # Room for the largest, and hardly more.
    budget = base + 36 * MIB + max(sizes)
    with served(repository, cache, f"--memory={budget}", "--in-flight-bytes-max=4MiB", *flags) as running:
        states = set()
        for number in [0, 1, 2, 0, 2, 1, 0, 1, 2]:
            running.check(number)
            memory = running.memory()
            states |= {row["state"] for row in memory["models"]}
            assert memory["parked"] <= memory["budget"]["parked"]
        if sum(row["evictions"] for row in memory["models"]) == 0:
            pytest.skip("all of them fit")
        assert ("parked" in states) == parks and (memory["parked"] > 0) == parks
        assert running.peak() <= budget


def test_a_cache_that_cannot_be_written_fails_preparing_and_not_serving(repository, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    outcome = prepare(repository[0], blocked / "cache", code=1)
    assert str(blocked) in outcome.stdout and f"{MODELS} failed" in outcome.stdout
    with served(repository, blocked / "cache", "--memory=2GiB") as running:
        running.check(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file system of its own")
def test_a_full_disk_fails_preparing_and_leaves_nothing_behind(repository, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        outcome = prepare(repository[0], place / "cache", code=1)
        assert f"{MODELS} failed" in outcome.stdout
        assert not any(path.is_file() for path in place.rglob("*"))
        with served(repository, place / "cache") as running:
            running.check(0)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="root writes where others may not")
def test_a_cache_that_may_only_be_read_serves(repository, cache):
    place = cache.parent / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "--bind", str(cache), str(place)], capture_output=True).returncode:
        pytest.skip("folders cannot be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        with served(repository, place) as running:
            running.check(0)
            assert running.row(0)["mapped"] > 0
        outcome = prepare(repository[0], place)
        assert f"{MODELS} were" in outcome.stdout
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_small_cache_loses_what_no_network_of_the_repository_needs(repository, cache, tmp_path):
    for manifest in cache.rglob("manifest.json"):
        os.utime(manifest, (1_000_000, 1_000_000))
    one = tmp_path / "models"
    shutil.copytree(repository[0] / "model_0", one / "model_0")
    shutil.copytree(TREE / "add", one / "add")
    outcome = prepare(one, cache, "--cache-size=1MiB")
    assert outcome.stdout.count("left the full cache") == MODELS - 1
    assert "2 networks: 1 prepared, 1 were" in outcome.stdout
    assert f"{MODELS} networks: {MODELS - 1} prepared, 1 were" in prepare(repository[0], cache).stdout


def test_a_network_that_cannot_be_loaded_fails_alone(repository, tmp_path):
    both = tmp_path / "models"
    shutil.copytree(repository[0] / "model_0", both / "model_0")
    shutil.copytree(TREE / "broken", both / "broken")
    outcome = prepare(both, tmp_path / "cache", code=1)
    assert "2 networks: 1 prepared, 0 were, 1 failed" in outcome.stdout


def test_small_networks_of_all_kinds_are_prepared_or_say_why(tmp_path):
    models = tmp_path / "models"
    names = ["add", "mlp", "identity_bytes", "identity_fp16", "dynamic_shape", "external_data", "scalar", "no_batch"]
    for name in names:
        shutil.copytree(TREE / name, models / name)
    report = tmp_path / "report.json"
    prepare(models, tmp_path / "cache", f"--json={report}")
    for network in json.loads(report.read_text())["networks"]:
        assert len(network["forms"]) + len(network["dropped"]) == 3, network
        assert network["shipped"]["load_peak_bytes"] >= network["shipped"]["anonymous_bytes"]


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_what_was_never_prepared_is_measured_before_its_first_load(repository, tmp_path):
    cache = tmp_path / "cache"
    with served(repository, cache, "--memory=2GiB") as running:
        running.check(0)
    manifests = [json.loads(path.read_text()) for path in cache.rglob("manifest.json")]
    assert len(manifests) == MODELS
    for manifest in manifests:
        shipped = manifest["shipped"]
        assert shipped["load_peak_bytes"] >= shipped["anonymous_bytes"] >= INPUT * 2048 * 4
        assert manifest["tries"] == 0 and not manifest["forms"]
    outcome = prepare(repository[0], cache)
    assert f"{MODELS} prepared, 0 were" in outcome.stdout


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_networks_from_the_cache_come_and_go_within_the_budget(repository, cache):
    with served(repository, cache, "--memory=2GiB", "--in-flight-bytes-max=4MiB") as running:
        for number in range(MODELS):
            running.check(number)
        parts = running.memory()["budget"]
    budget = parts["base"] + parts["requests"] + 26 * MIB
    with served(repository, cache, f"--memory={budget}", "--in-flight-bytes-max=4MiB") as running:
        for number in [0, 1, 2, 0, 2, 1, 0, 1, 2]:
            running.check(number)
        assert running.peak() <= budget, f"{running.peak() / MIB:.1f} of {budget / MIB:.1f} MiB"
        assert sum(row["evictions"] for row in running.memory()["models"]) > 0
