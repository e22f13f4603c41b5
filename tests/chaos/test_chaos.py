"""A short chaos for every change; tests/chaos/chaos.py alone is the whole of it."""

import pathlib
import subprocess
import sys


def test_a_short_chaos_loses_and_doubles_nothing():
    command = [sys.executable, str(pathlib.Path(__file__).with_name("chaos.py")), "--kills=100", "--reloads=10",
               "--broken=6", "--drains=1", "--seconds=14", "--seconds-max=45"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
