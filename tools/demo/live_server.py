"""Starts, finds again and stops the demo's server, whose address and process id lie in files
between two runs.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

PORTS = {"http": 8000, "grpc": 8001, "metrics": 8002}
READY_SECONDS_MAX = 120
STOP_SECONDS_MAX = 30


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def any_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_running(pid):
    """Whether any thread of the process may still hold its ports."""
    try:
        threads = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        states = [(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads]
    except OSError:
        return os.path.exists(f"/proc/{pid}")
    return any(state not in "ZX" for state in states)


class LiveServer:
    """One `cotenant serve` in the background. `folder` keeps server.json, server.pid and
    server.log.
    """

    def __init__(self, binary, models, folder):
        self.binary = pathlib.Path(binary).resolve()
        self.models = pathlib.Path(models).resolve()
        self.folder = folder
        self.ports = {}
        self.pid = None
        folder.mkdir(parents=True, exist_ok=True)

    def address(self, kind):
        return f"127.0.0.1:{self.ports[kind]}"

    def memory(self):
        """What the server says of its memory."""
        with urllib.request.urlopen(
            f"http://{self.address('http')}/cotenant/v1/memory", timeout=10
        ) as reply:
            return json.load(reply)

    def reuse_or_start(self, for_models):
        """Keeps a server that an earlier run left, unless it is of an older build, has another
        memory for models (in bytes), or does not answer.
        """
        if self.find() and self.is_current() and self.answers() and self.has(for_models):
            print(f"demo: using the server that runs already (process {self.pid})")
            return
        self.stop()
        self.start(self.budget_for(for_models))

    def has(self, for_models):
        budget = self.memory()["budget"]
        return budget is not None and abs(budget["models"] + budget["parked"] - for_models) < (1 << 20)

    def budget_for(self, for_models):
        """The budget that leaves so much for models, parked ones too, beside the program and its requests."""
        self.start(4 << 30, "--model-control-mode=explicit")
        parts = self.memory()["budget"]
        self.stop()
        budget = parts["base"] + parts["requests"] + for_models
        for _ in range(20):  # Requests get an eighth of it at most.
            budget = parts["base"] + min(parts["requests"], budget // 8) + for_models
        return budget

    def find(self):
        """Whether the process noted by an earlier run still is a server of ours."""
        try:
            noted = json.loads((self.folder / "server.json").read_text())
            program = os.readlink(f"/proc/{noted['pid']}/exe")
        except (OSError, ValueError, KeyError):
            return False
        if pathlib.Path(program.removesuffix(" (deleted)")) != self.binary or noted[
            "models"
        ] != str(self.models):
            return False
        self.pid, self.ports = noted["pid"], noted["ports"]
        return True

    def is_current(self):
        started = os.stat(f"/proc/{self.pid}").st_mtime
        return not os.readlink(f"/proc/{self.pid}/exe").endswith(" (deleted)") and (
            started > self.binary.stat().st_mtime
        )

    def answers(self):
        try:
            with urllib.request.urlopen(
                f"http://{self.address('http')}/v2/health/ready", timeout=2
            ) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def start(self, budget, *flags):
        for kind, port in PORTS.items():
            self.ports[kind] = port if is_free(port) else any_free_port()
            if self.ports[kind] != port:
                print(f"demo: port {port} is taken; {kind} listens on {self.ports[kind]} instead")
        command = [
            str(self.binary),
            "serve",
            str(self.models),
            f"--memory={budget}",
            f"--cache-dir={self.folder / 'cache'}",
            "--in-flight-bytes-max=16MiB",
            *flags,
        ]
        for kind, port in self.ports.items():
            command += [f"--{kind}-port", str(port)]
        with open(self.folder / "server.log", "wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = process.pid
        (self.folder / "server.pid").write_text(f"{self.pid}\n")
        (self.folder / "server.json").write_text(
            json.dumps({"pid": self.pid, "ports": self.ports, "models": str(self.models)}) + "\n"
        )
        started = time.monotonic()
        while not self.answers():
            if process.poll() is not None or time.monotonic() - started > READY_SECONDS_MAX:
                sys.stderr.write((self.folder / "server.log").read_text(errors="replace")[-4000:])
                what = (
                    "ended"
                    if process.poll() is not None
                    else f"is not ready after {READY_SECONDS_MAX} s"
                )
                sys.exit(f"demo: the server {what}; its log is {self.folder / 'server.log'}")
            time.sleep(0.01)
        print(f"demo: server ready after {time.monotonic() - started:.2f} s (process {self.pid})")

    def stop(self):
        """Ends the server of an earlier run, if there is one, and waits until it is gone."""
        if not self.find():
            return False
        os.kill(self.pid, signal.SIGTERM)
        waited = time.monotonic()
        while is_running(self.pid):
            if time.monotonic() - waited > STOP_SECONDS_MAX:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        (self.folder / "server.pid").unlink(missing_ok=True)
        (self.folder / "server.json").unlink(missing_ok=True)
        return True

    def unavailable(self):
        """Models that do not serve, with the server's reason."""
        request = urllib.request.Request(
            f"http://{self.address('http')}/v2/repository/index", data=b"{}"
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return [
                (model["name"], model.get("reason", "no reason given"))
                for model in json.load(reply)
                if model.get("state") != "READY"
            ]
