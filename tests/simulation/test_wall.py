"""Every `--json FILE` keeps facts of that very run, such as times of the clock, under the one key `wall`: two runs of what
repeats exactly differ in nothing else. What measures says there when it began, and how long it took."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from test_simulate import COTENANT, ROOT

REPEATING = {
    "policies": ["policies"],
    "simulate": ["simulate", ROOT / "scenarios/mix.toml", "--seconds=2"],
    "simulate-seeds": ["simulate", ROOT / "scenarios/mix.toml", "--seconds=2", "--seeds=1..3"],
    "replay": ["simulate", "--replay", "FOLDER/run.log"],
    "explain": ["explain", "FOLDER/run.log", "--request=4294967297"],
    "trace": ["trace", "FOLDER/run.log"],
    "compare": ["compare", "FOLDER/run.json", "FOLDER/run.json"],
}
MEASURING = {
    # The memory that the program itself takes.
    "fit": ["fit", "FOLDER/models", "--memory=64MiB", "--state-dir=FOLDER"],
    "profile": ["profile", "FOLDER/models", "--batch=1", "--seconds=0.1", "--no-node", "--state-dir=FOLDER/other"],
    "prepare": ["prepare", "FOLDER/models", "--cache-dir=FOLDER/cache", "--seconds=0.1"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A repository, its profile, and a recorded run."""
    folder = tmp_path_factory.mktemp("wall")
    shutil.copytree(ROOT / "tests/models/add", folder / "models/add")
    words = ["simulate", ROOT / "scenarios/mix.toml", "--seconds=2", "--record", folder / "run.log"]
    printed(folder, words, "run.json")
    printed(folder, ["profile", folder / "models", "--batch=1", "--seconds=0.1", "--no-node", f"--state-dir={folder}"])
    return folder


def printed(folder, words, name="result.json"):
    words = [str(word).replace("FOLDER", str(folder)) for word in words]
    outcome = subprocess.run([COTENANT, *words, "--json", folder / name], capture_output=True, text=True, timeout=120)
    assert outcome.returncode in (0, 1) and "BROKEN" not in outcome.stdout, outcome.stdout + outcome.stderr
    result = json.loads((folder / name).read_text())
    if name == "result.json":
        (folder / name).unlink()  # The next one writes its own.
    return result


def check_wall(wall):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", wall["started"])
    assert wall["took_s"] >= 0


@pytest.mark.parametrize("command", REPEATING)
def test_two_runs_differ_in_wall_alone(command, folder):
    first, second = (printed(folder, REPEATING[command]) for _ in range(2))
    for result in (first, second):
        check_wall(result.pop("wall"))
    assert first == second and len(first) > 0


@pytest.mark.parametrize("command", MEASURING)
def test_what_measures_says_when(command, folder):
    check_wall(printed(folder, MEASURING[command])["wall"])


def test_no_command_with_results_is_left_out():
    sources = (ROOT / "src/apps/cotenant").glob("*.cc")
    writing = {path.stem for path in sources if '"json", ' in path.read_text()}
    # Live loads are looked at where there is a server; what `reproduce` prints takes minutes.
    assert writing == {name.split("-")[0] for name in REPEATING | MEASURING} - {"replay"} | {"load", "reproduce"}
