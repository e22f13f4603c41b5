"""The server of the chaos run, in a memory cgroup if asked for, through all its lives."""

import collections
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

PROJECT = pathlib.Path(__file__).resolve().parents[2]
COTENANT = os.environ.get("COTENANT", str(PROJECT / "build/cotenant"))
SANITIZED = "asan" in COTENANT or "tsan" in COTENANT  # Their own memory is no part of a budget.
DRAIN_SECONDS_MAX = 15
MIB = 1 << 20
IN_FLIGHT_BYTES_MAX = 4 * MIB


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def post(port, path, body, timeout=60):
    """(status, text) of a request; status 0 when there was no answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


class MemoryGroup:
    """A memory cgroup (version 1 or 2) with a limit, for one process at a time."""

    def __init__(self, limit):
        second = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
        self.version = 2 if second.exists() else 1
        self.folder = pathlib.Path("/sys/fs/cgroup", "" if self.version == 2 else "memory", f"cotenant-{os.getpid()}")
        if self.version == 2:
            pathlib.Path("/sys/fs/cgroup/cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        (self.folder / name).write_text(str(limit))

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self):
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return int(re.search(r"^oom_kill (\d+)$", (self.folder / name).read_text(), re.M)[1])

    def end(self):
        self.folder.rmdir()


class Server:
    """The server, through all its lives: the same ports, a new process after each drain."""

    def __init__(self, repository, models, memory=None, group=None):
        self.repository, self.models, self.memory, self.group = repository, models, memory, group
        self.peaks, self.faults = [], []  # Of each life: most resident bytes, and pages read from disk.
        self.http, self.grpc, self.metrics = free_ports(3)
        self.log = repository.parent / "server.log"
        self.events = []  # Of each life: what its scheduler was told and answered.
        self.process = None
        self.away = []  # [begin, end] of each drain and the start after it.
        # (model, begin, end) of each reload: a model that is out of memory cannot come back from files that were
        # written, until it is told to take the new ones.
        self.replaced = []

    def start(self):
        self.events.append(self.repository.parent / f"life-{len(self.events) + 1}.events")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [COTENANT, "serve", f"--model-repository={self.repository}", f"--http-port={self.http}",
                 f"--grpc-port={self.grpc}", f"--metrics-port={self.metrics}", "--model-control-mode=explicit",
                 *(f"--load-model={model}" for model in self.models), "--exit-timeout-secs=10",
                 f"--in-flight-bytes-max={IN_FLIGHT_BYTES_MAX}", f"--state-dir={self.repository.parent}",
                 f"--record={self.events[-1]}", "--record-max-bytes=32MiB",
                 *([f"--memory={self.memory}"] if self.memory else [])],
                stdout=log, stderr=log, start_new_session=True, preexec_fn=self.group and self.group.enter)
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at its start:\n{self.log.read_text()[-3000:]}")
            try:
                get(self.http, "/v2/health/ready")
                if self.away:
                    self.away[-1][1] = time.monotonic()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("the server does not get ready")

    def drain(self):
        """Ends the process as a system would; returns (exit status, seconds it took)."""
        started = time.monotonic()
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.peaks.append(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024)
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        self.faults.append(int(stat.rpartition(")")[2].split()[9]))
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DRAIN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.away.append([started, time.monotonic()])
        return status, time.monotonic() - started

    def replays(self):
        """What `cotenant simulate --replay` says of each log that is there, with its exit status."""
        for log in self.events:
            for part in (log.with_name(log.name + ".1"), log):
                if part.exists():
                    done = subprocess.run([COTENANT, "simulate", "--replay", str(part)], capture_output=True, text=True)
                    yield done.returncode, (done.stdout + done.stderr).strip().replace(str(part), part.name)

    def away_at(self, moment, model):
        return (any(begin <= moment <= end + 0.1 for begin, end in self.away) or
                any(name == model and begin <= moment <= end + 0.1 for name, begin, end in self.replaced))

    def sums_at_drains(self):
        """What the server said at each drain, as a list of {name: count}."""
        lines = re.findall(r"drained: (accepted=.*)", self.log.read_text())
        return [{name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)} for line in lines]

    def sums_of_metrics(self):
        """(accepted, {end: count}) of this life."""
        page = get(self.metrics, "/metrics")
        accepted = int(float(re.search(r"^cotenant_accepted_requests_total (\S+)$", page, re.M)[1]))
        ends = collections.Counter()
        for labels, count in re.findall(r"^cotenant_requests_total\{(.*)\} (\S+)$", page, re.M):
            ends[re.search(r'end="(\w+)"', labels)[1]] += int(float(count))
        return accepted, dict(ends)
