"""`cotenant fit` says before serving what a budget does, and the server then does that."""

import json
import shutil
import subprocess

import pytest

from test_memory import COTENANT, FLAGS, MIB, MODELS, Running, repository  # noqa: F401 (a fixture)
from test_prepare import prepare

SCENARIO = """
lasts_s = 60
[[models]]
name = "model_1"
run_us = [100]
[[load]]
model = "model_1"
pattern = "poisson"
rate_per_s = 5
"""


def run(*arguments):
    return subprocess.run([COTENANT, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def measured(repository, tmp_path_factory):  # noqa: F811
    state = tmp_path_factory.mktemp("state")
    done = run("profile", repository[0], "--batch=1", "--seconds=0.2", "--no-node", f"--state-dir={state}")
    assert done.returncode == 0, done.stderr
    return repository, state


def fit(measured, memory, *flags):
    (folder, _), state = measured
    result = state / "fit.json"
    done = run("fit", folder, f"--memory={memory}", f"--state-dir={state}", f"--json={result}", "--cache-dir=none", *flags)
    assert done.returncode in (0, 1), done.stderr
    return done, json.loads(result.read_text())


def test_cold_starts_fall_with_memory_and_end_where_all_is_warm(measured):
    _, first = fit(measured, "1GiB")
    assert len(first["models"]) == MODELS
    assert first["sum_bytes"] == sum(model["size_bytes"] for model in first["models"]) > MODELS * 8 * MIB * 9 // 10
    cold = [point["cold_starts"] for point in first["curve"]]
    assert cold == sorted(cold, reverse=True) and cold[0] > 0 and cold[-1] == 0
    assert first["asked"]["cold_starts"] == 0 and first["asked"]["loads"] == MODELS
    for model in first["models"]:
        assert model["load_peak_bytes"] > model["size_bytes"] + 6 * MIB  # The weights are there twice for a moment.
        assert model["budget_min_bytes"] > model["load_peak_bytes"]
    done, least = fit(measured, first["budget_min_bytes"] + MIB)
    assert done.returncode == 0 and least["asked"]["replied"] == least["asked"]["requests"] > 0
    done, less = fit(measured, first["budget_min_bytes"] - 2 * MIB)
    assert done.returncode == 1 and less["asked"]["replied"] == 0
    assert "smallest budget that serves every model" in done.stdout


def test_server_has_no_cold_starts_with_the_budget_that_holds_all(measured):
    _, result = fit(measured, "1GiB")
    # The sum is of two measurements, each with its noise of some pages.
    budget = result["budget_all_warm_bytes"] + 16 * MIB
    with Running(measured[0], f"--memory={budget}", *FLAGS) as running:
        starts = [running.check(number) for _ in range(3) for number in range(MODELS)]
        assert starts[-MODELS:] == ["warm"] * MODELS
        assert all(row["evictions"] == 0 for row in running.memory()["models"])


def test_prepared_forms_are_reckoned_with(measured, tmp_path):
    folder = tmp_path / "models"
    for number in range(2):
        shutil.copytree(measured[0][0] / f"model_{number}", folder / f"model_{number}")
    report = tmp_path / "report.json"
    prepare(folder, tmp_path / "cache", f"--json={report}")
    told = {}
    for cache in ("none", tmp_path / "cache"):
        _, told[cache] = fit(((folder, None), measured[1]), "1GiB", f"--cache-dir={cache}")
    shipped, prepared = told.values()
    assert shipped["models"][0]["load_peak_bytes"] != prepared["models"][0]["load_peak_bytes"]
    for model, network in zip(prepared["models"], json.loads(report.read_text())["networks"], strict=True):
        form = network["forms"][0]
        assert model["size_bytes"] == form["mapped_bytes"] + form["anonymous_bytes"]
        assert model["load_peak_bytes"] == form["load_peak_bytes"]
    with Running((folder, measured[0][1]), "--memory=1GiB", f"--cache-dir={tmp_path / 'cache'}", *FLAGS) as running:
        rows = running.memory()["models"]
    assert [row["load_peak"] for row in rows] == [model["load_peak_bytes"] for model in prepared["models"]]
    assert [row["mapped"] + row["anonymous"] for row in rows] == pytest.approx(
        [model["size_bytes"] for model in prepared["models"]], abs=MIB)


def test_scenario_gives_the_load(measured):
    path = measured[1] / "one.toml"
    path.write_text(SCENARIO)
    _, result = fit(measured, "1GiB", f"--scenario={path}")
    assert [model["name"] for model in result["models"]] == ["model_1"]
    assert 200 < result["asked"]["requests"] < 400
    path.write_text(SCENARIO.replace("model_1", "other"))
    done = run("fit", measured[0][0], f"--state-dir={measured[1]}", f"--scenario={path}")
    assert done.returncode == 2 and "no model 'other'" in done.stderr


def test_what_was_not_measured_is_named(repository, tmp_path):  # noqa: F811
    done = run("fit", repository[0], "--memory=1GiB", f"--state-dir={tmp_path}")
    assert done.returncode == 2 and "model_3: not measured" in done.stderr and "cotenant profile" in done.stderr
    done = run("fit", repository[0], "--memory=much")
    assert done.returncode == 2 and "much" in done.stderr
    done = run("fit", repository[0], "--memory=unlimited")
    assert done.returncode == 2 and "give a size" in done.stderr
