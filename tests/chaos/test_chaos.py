"""Short chaos for every change; tests/chaos/chaos.py alone is the whole of it."""

import pathlib
import subprocess
import sys


def run_chaos(*options):
    command = [sys.executable, str(pathlib.Path(__file__).with_name("chaos.py")), *options]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_a_short_chaos_loses_and_doubles_nothing():
    run_chaos("--kills=100", "--reloads=10", "--broken=6", "--drains=1", "--seconds=14", "--seconds-max=45")


def test_a_crowd_of_models_in_too_little_memory_loses_nothing_and_stays_in_its_budget():
    run_chaos("--crowd=10", "--kills=50", "--reloads=12", "--broken=6", "--drains=1", "--seconds=12", "--seconds-max=60")
