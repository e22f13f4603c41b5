"""Memory that others want while the server runs: other programs of its cgroup, nobody any more, tenants with limits; and
what it learnt, over a restart. The server has no --memory here where a cgroup can be made: its default budget counts most."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import uuid

import pytest

import harness
from test_memory import FLAGS, MIB, MODELS, Running, log_of, repository  # noqa: F401

CGROUPS = pathlib.Path("/sys/fs/cgroup")
HOG = """
import mmap, sys, time
taken = mmap.mmap(-1, int(sys.argv[1]))
for place in range(0, len(taken), 4096):
    taken[place] = 1
print("taken", flush=True)
time.sleep(600)
"""


class MemoryGroup:
    """A memory cgroup with a limit, that processes of this test go into."""

    def __init__(self, limit):
        second = (CGROUPS / "cgroup.controllers").exists()
        self.folder = CGROUPS / ("" if second else "memory") / f"cotenant-{uuid.uuid4().hex}"
        self.events = "memory.events" if second else "memory.oom_control"
        try:
            if second:
                (CGROUPS / "cgroup.subtree_control").write_text("+memory")
            self.folder.mkdir()
            (self.folder / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no memory cgroup can be made here: {error}")

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self):
        return int(re.search(r"^oom_kill (\d+)$", (self.folder / self.events).read_text(), re.M)[1])

    def end(self):
        for _ in range(100):
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(0.05)


@pytest.fixture
def copy(repository, tmp_path):  # noqa: F811
    """The repository once more, for tests that write into it."""
    shutil.copytree(repository[0], tmp_path / "copy")
    return tmp_path / "copy", repository[1]


def ask_until(running, condition, seconds=60):
    """Asks one model again and again, as the server looks around only while there is traffic."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        running.ask(0)
        memory = running.memory()
        if condition(memory):
            return memory
        time.sleep(0.2)
    raise AssertionError(f"{memory}\n{log_of(running)}")


def test_other_programs_grow_and_shrink_and_nobody_is_killed(repository):  # noqa: F811
    group = MemoryGroup(360 * MIB)
    hog = None
    try:
        with Running(repository, *FLAGS, enter=group.enter) as running:
            budget = running.memory()["budget"]
            assert budget["total"] == 288 * MIB, "four fifths of the cgroup's limit"
            for number in range(MODELS):
                running.check(number)
            before = running.memory()
            assert before["ledger"]["given_up"] == 0
            assert all(row["state"] == "resident" for row in before["models"])
            # It leaves room for the program and for some of the models; a 32nd is not counted on, and the hog itself is
            # a program too.
            room = budget["total"] - budget["models"] + before["ledger"]["runs"] + 30 * MIB
            takes = 360 * MIB - room * 32 // 31 - 9 * MIB
            hog = subprocess.Popen([sys.executable, "-c", HOG, str(takes)], stdout=subprocess.PIPE,
                                   preexec_fn=group.enter)
            assert hog.stdout.readline() == b"taken\n"
            # The kernel's figures of a group may be some seconds old: more may be given up with the next look.
            less = ask_until(running, lambda memory: memory["ledger"]["free"] >= 0 and memory["ledger"]["given_up"] > 0
                             and any(row["state"] == "out" for row in memory["models"]))
            assert less["ledger"]["models"] < before["ledger"]["models"]
            assert 'cotenant_memory_ledger_bytes{kind="given_up"} 0' not in running.metrics()
            assert "other programs have taken" in log_of(running)
            assert running.check(0) in ("warm", "cold")
            hog.kill()
            hog.wait()
            ask_until(running, lambda memory: memory["ledger"]["given_up"] == 0)
            for number in range(MODELS):
                running.check(number)
            assert all(row["state"] == "resident" for row in running.memory()["models"])
            assert group.kills() == 0
    finally:
        if hog is not None and hog.poll() is None:
            hog.kill()
            hog.wait()
        group.end()


def test_a_model_that_nobody_asks_for_leaves(copy):
    (copy[0] / "model_1/cotenant.toml").write_text("idle_unload_s = 0\n")
    with Running(copy, "--memory=1GiB", "--idle-unload=1", *FLAGS) as running:
        until = time.monotonic() + 60
        while running.row(0)["state"] != "out" and time.monotonic() < until:
            time.sleep(0.1)
        assert running.row(0)["state"] == "out"
        assert running.row(1)["state"] == "resident", "its folder says otherwise"
        assert running.check(0) == "cold"


def test_a_tenant_has_its_own_models_only_within_its_limit(copy):
    (copy[0] / "cotenant.toml").write_text('[[tenants]]\nname = "default"\nmemory_max_mib = 20\n')
    with Running(copy, "--memory=1GiB", *FLAGS) as running:
        for number in (0, 1, 2, 3):
            running.check(number)
        # Each takes 8 MiB and a little.
        until = time.monotonic() + 60
        while sum(running.row(number)["state"] == "resident" for number in (0, 1, 2, 3)) > 2:
            assert time.monotonic() < until, running.memory()
            time.sleep(0.05)
        assert running.row(4)["state"] == running.row(5)["state"] == "resident", "nobody asked for them"
        assert running.check(3) == "warm"


def test_a_model_larger_than_its_tenant_may_have_is_refused_by_name(copy):
    (copy[0] / "cotenant.toml").write_text('[[tenants]]\nname = "default"\nmemory_max_mib = 4\n')
    with Running(copy, "--memory=1GiB", *FLAGS) as running:
        until = time.monotonic() + 60
        status, answer = running.ask(0)
        while status == 200 and time.monotonic() < until:
            status, answer = running.ask(0)
        assert status == 507 and "tenant 'default' may have" in answer["error"], answer


def test_what_was_learnt_of_requests_survives_a_restart(copy, tmp_path):
    state = tmp_path / "state"
    with Running(copy, "--memory=1GiB", f"--state-dir={state}", *FLAGS) as running:
        for _ in range(5):
            running.check(0)
    files = list(state.glob("arrivals-*"))
    assert len(files) == 1 and files[0].stat().st_size > 100
    log = tmp_path / "log"
    with Running(copy, "--memory=1GiB", f"--state-dir={state}", f"--record={log}", *FLAGS) as running:
        running.check(1)
        assert "are foretold from new ones alone" not in log_of(running)
    told = subprocess.run([os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant")), "simulate", "--replay",
                           str(log)], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stdout + told.stderr
    files[0].write_bytes(files[0].read_bytes()[:-3])
    with Running(copy, "--memory=1GiB", f"--state-dir={state}", *FLAGS) as running:
        assert "are foretold from new ones alone" in log_of(running)
        running.check(0)
    assert files[0].stat().st_size > 100, "replaced"
