"""Declared variants prepared, profiled and measured as a model's own network is, and served from the cache."""

import json
import pathlib
import subprocess

import pytest

import harness
from test_variants import COTENANT, INPUT, MIB, SIZES, Running, write_network

SANITIZED = "asan" in COTENANT or "tsan" in COTENANT
TOML = """
accuracy = 90
accuracy_source = "labels"

[[variant]]
name = "small"
accuracy = 80.5
accuracy_source = "labels"
inputs = { x = "in" }
outputs = { y = "out" }
"""


def write_models(folder):
    version = folder / "models" / "m" / "1"
    sums = {"default": write_network(version / "model.onnx", 1, SIZES["default"]),
            "small": write_network(version / "model.small.onnx", 2, SIZES["small"], "in", "out")}
    (folder / "models" / "m" / "cotenant.toml").write_text(TOML)
    return sums


def run(folder, command, *flags):
    report = folder / "report.json"
    outcome = subprocess.run([COTENANT, command, str(folder / "models"), f"--json={report}", *flags],
                             capture_output=True, text=True, timeout=600)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout, json.loads(report.read_text())


def prepare(folder, *flags):
    printed, report = run(folder, "prepare", f"--cache-dir={folder / 'cache'}", "--seconds=0.1", *flags)
    return printed, {network["name"]: network for network in report["networks"]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """(folder, what the networks answer, what was said) of a repository and a cache that nobody changes."""
    folder = tmp_path_factory.mktemp("prepared")
    sums = write_models(folder)
    return folder, sums, prepare(folder, f"--quantiser={harness.PROJECT / 'tools/quantise'}")


def served(folder, sums, *flags):
    return Running((folder / "models", sums), f"--cache-dir={folder / 'cache'}", f"--state-dir={folder / 'state'}",
                   "--memory=1GiB", "--in-flight-bytes-max=4MiB", *flags)


def variants_of(running):
    return {row["name"]: row for row in running.memory()["models"][0]["variants"]}


def log_of(running):
    running.server.log.flush()
    return pathlib.Path(running.server.log.name).read_text(errors="replace")


def test_a_declared_variant_is_prepared_in_exact_forms_under_its_own_name(prepared):
    folder, _, (printed, networks) = prepared
    assert list(networks) == ["m", "m:small"] and "m:small" in printed
    small = networks["m:small"]
    assert small["prepared"] and small["forms"] and all(form["exact"] for form in small["forms"])
    assert small["forms"][0]["served"] and small["forms"][0]["mapped_bytes"] >= INPUT * SIZES["small"] * 4
    names = {one["name"] for one in small["forms"] + small["dropped"]}
    assert names == {"prepacked", "unpacked", "unfolded"}, "no form with losses is tried of it"
    assert "int8" in {one["name"] for one in networks["m"]["forms"] + networks["m"]["dropped"]}
    _, again = prepare(folder)
    assert all(network["was_there"] for network in again.values())


def test_it_is_mapped_from_the_cache_and_answers_who_names_or_allows_it(prepared):
    folder, sums, _ = prepared
    with served(folder, sums) as running:
        for _ in range(2):
            running.check({"variant": "small"}, "small")
            running.check({"accuracy_bound": 85}, "default")
        running.check({"variant": "small", "accuracy_bound": 80}, "small")
        small = variants_of(running)["small"]
        assert small["mapped"] >= INPUT * SIZES["small"] * 4 and small["accuracy"] == 80.5
        if not SANITIZED:
            assert small["anonymous"] < 4 * MIB


def test_where_only_it_has_room_it_answers_within_the_budget(prepared):
    folder, sums, _ = prepared
    with served(folder, sums, "--slots=1") as running:
        base = running.memory()["budget"]["base"]
    # Room for either, and not for both.
    budget = (base + 20 * MIB) * 8 // 7
    with served(folder, sums, f"--memory={budget}", "--parked-max=0", "--slots=1") as running:
        for _ in range(2):
            running.check({"variant": "small"}, "small")
            running.check({"accuracy_bound": 85}, "default")
        rows = variants_of(running)
        assert sorted(row["state"] for row in rows.values()) == ["out", "resident"]
        assert all(row["mapped"] > 0 for row in rows.values())
        assert running.memory()["models"][0]["evictions"] >= 2


def test_one_whose_prepared_form_was_changed_is_served_as_shipped(tmp_path):
    sums = write_models(tmp_path)
    prepare(tmp_path)
    weights = [path for path in (tmp_path / "cache").rglob("weights.bin") if path.stat().st_size < 6 * MIB]
    assert weights
    for path in weights:
        path.chmod(0o644)
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 64)
    with served(tmp_path, sums) as running:
        running.check({"variant": "small"}, "small")
        running.check({"accuracy_bound": 85}, "default")
        rows = variants_of(running)
        assert rows["small"]["mapped"] == 0 < rows["default"]["mapped"]
        assert "model 'm:small' is served as shipped" in log_of(running)
    _, networks = prepare(tmp_path)
    assert networks["m"]["was_there"] and not networks["m:small"]["was_there"]
    # Another network in its place has no prepared form.
    sums["small"] = write_network(tmp_path / "models/m/1/model.small.onnx", 5, SIZES["small"], "in", "out")
    with served(tmp_path, sums) as running:
        running.check({"variant": "small"}, "small")
        assert variants_of(running)["small"]["mapped"] == 0


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is no network's")
def test_one_that_was_never_prepared_is_measured_before_its_first_load(tmp_path):
    sums = write_models(tmp_path)
    with served(tmp_path, sums) as running:
        running.check({"variant": "small"}, "small")
    shipped = [json.loads(path.read_text())["shipped"] for path in (tmp_path / "cache").rglob("manifest.json")]
    assert len(shipped) == 2
    assert all(one["load_peak_bytes"] >= INPUT * SIZES["small"] * 4 for one in shipped)


def test_a_prepared_form_gives_way_to_a_declared_variant_of_its_name(tmp_path):
    sums = write_models(tmp_path)
    folder = tmp_path / "models" / "m"
    (folder / "1/model.small.onnx").rename(folder / "1/model.int8.onnx")
    (folder / "cotenant.toml").write_text("accuracy_min = 50\n" + TOML.replace('"small"', '"int8"'))
    _, networks = prepare(tmp_path, f"--quantiser={harness.PROJECT / 'tools/quantise'}")
    if "int8" not in {form["name"] for form in networks["m"]["forms"]}:
        pytest.skip("no int8 form of it was kept")
    with served(tmp_path, sums) as running:
        status, answer = running.ask_http({"variant": "int8"})
        assert status == 200 and answer["parameters"]["accuracy"] == 80.5
        assert answer["outputs"][0]["data"][0] == pytest.approx(sums["small"], rel=1e-4, abs=1)
        assert "the prepared form 'int8' is not used" in log_of(running)


def test_it_is_profiled_and_served_by_its_own_profile(tmp_path):
    sums = write_models(tmp_path)
    _, result = run(tmp_path, "profile", "--no-node", "--beside", "--seconds=0.3", f"--state-dir={tmp_path / 'other'}")
    assert [model["name"] for model in result["models"]] == ["m", "m:small"]
    default, small = result["models"]
    assert small["anonymous_bytes"] + small["mapped_bytes"] < default["anonymous_bytes"] + default["mapped_bytes"]
    beside = json.loads((tmp_path / "models/m/profile.json").read_text())
    assert [model["name"] for model in beside["models"]] == ["m", "m:small"]
    with served(tmp_path, sums) as running:
        running.check({"variant": "small"}, "small")
        text = log_of(running)
        assert "model 'm:small': run times are known from its profile" in text
    # With it a smaller budget serves the model than with its own network alone.
    fit = ["fit", "--memory=1GiB", "--cache-dir=none", f"--state-dir={tmp_path / 'other'}"]
    _, with_variant = run(tmp_path, *fit)
    (tmp_path / "models/m/cotenant.toml").rename(tmp_path / "declared.toml")
    _, alone = run(tmp_path, *fit)
    (tmp_path / "declared.toml").rename(tmp_path / "models/m/cotenant.toml")
    assert with_variant["budget_min_bytes"] < alone["budget_min_bytes"] - MIB
    write_network(tmp_path / "models/m/1/model.small.onnx", 7, SIZES["small"], "in", "out")
    with served(tmp_path, sums) as running:
        assert "the profile of model 'm:small' version 1" in log_of(running)
