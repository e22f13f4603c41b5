"""Starts servers and clients where they belong, and reads what they cost. For benchmarks/run; standard library only."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = pathlib.Path(os.environ.get("COTENANT_DEPS", ROOT / ".deps"))
BEGAN = time.time()


def say(text):
    print(text, file=sys.stderr, flush=True)


def write_json(path, figures):
    """Writes figures as the program's own commands do: facts of this very run lie under `wall`."""
    wall = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN)), "took_s": round(time.time() - BEGAN, 1)}
    whole = figures | {"wall": wall | figures.get("wall", {})}
    pathlib.Path(path).write_text(json.dumps(whole, indent=1, default=str) + "\n")


def cpus():
    return sorted(os.sched_getaffinity(0))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_cpu(pid):
    """User and system seconds of a process since its start, ended threads included, by its CPU clock (nanoseconds)."""
    return time.clock_gettime(((~pid) << 3) | 2)


def jiffies(where):
    """These CPUs so far: (used by anybody, stolen by the host, all)."""
    sums = [0, 0, 0]
    with open("/proc/stat") as file:
        for line in file:
            name, *values = line.split()
            if name not in [f"cpu{cpu}" for cpu in where]:
                continue
            user, nice, system, idle, waiting, irq, soft, taken = map(int, values[:8])
            used = user + nice + system + irq + soft
            for i, value in enumerate((used, taken, used + taken + idle + waiting)):
                sums[i] += value
    return sums


def own_cpu(pids):
    """Seconds of CPU time that the benchmark used so far: itself, clients that ended, and these processes."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + sum(process_cpu(pid) for pid in pids)


DISTURBED = 10  # Percent of the CPUs' time, used by others, over which a patient benchmark measures again.


class Noise:
    """Percent of the CPUs' time that the host took (`stolen`), or processes that do not belong here (`others`)."""
    spinners = []

    def __init__(self, *servers, where=None):
        self.where = where or cpus()
        self.pids = [server.pid for server in servers] + Noise.spinners

    def __enter__(self):
        self.before, self.own = jiffies(self.where), own_cpu(self.pids)
        return self

    def __exit__(self, kind, *_):
        if kind:
            return
        used, taken, total = (after - before for after, before in zip(jiffies(self.where), self.before))
        own = (own_cpu(self.pids) - self.own) * os.sysconf("SC_CLK_TCK")
        self.percent = {"stolen": round(100 * taken / max(total, 1), 1),
                        "others": round(max(0, 100 * (used - own) / max(total, 1)), 1)}


def memory(pid):
    """KiB of a process by /proc/PID/smaps_rollup: {"Rss": …, "Anonymous": …}."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        rows = dict(re.findall(r"^(\w+): +(\d+) kB", file.read(), re.M))
    return {key: int(rows[key]) for key in ("Rss", "Anonymous")}


def threads(pid):
    """The names of a process's threads."""
    names = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text().strip())
    return names


def wake_ups(pid):
    """How often a thread of the process went to sleep so far, which is how often one was woken."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            status = (task / "status").read_text()
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])
    return total


def pinned(command, where):
    return ["taskset", "-c", ",".join(map(str, where)), *map(str, command)] if where else list(map(str, command))


def raise_file_limit(wanted=30_000):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))


class Process:
    """One server. Its clock starts with the constructor; leaving the block ends it."""

    def __init__(self, command, where=None, ready=None):
        self.began = time.monotonic()
        self.log = tempfile.TemporaryFile()
        # Yardsticks print "ready" to a pipe; what others print is kept for the message when they fail.
        self.process = subprocess.Popen(pinned(command, where), stdin=subprocess.PIPE,
                                        stdout=self.log if ready else subprocess.PIPE, stderr=self.log,
                                        preexec_fn=raise_file_limit)
        self.pid = self.process.pid
        try:
            (ready or self.said_ready)()
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.monotonic() - self.began

    def said_ready(self):
        line = self.process.stdout.readline()
        if line != b"ready\n":
            self.fail("did not start")

    def fail(self, what):
        self.log.seek(0)
        raise RuntimeError(f"{self.process.args} {what}: {self.log.read().decode(errors='replace')[-2000:]}")

    def running(self):
        return self.process.poll() is None

    def cpu(self):
        return process_cpu(self.pid)

    def end(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self.log.close()


class Cotenant(Process):
    """`cotenant serve` on free ports, ready when it says so over HTTP."""

    def __init__(self, bench, models, where=None, grpc=True, arguments=()):
        self.http, self.grpc, self.metrics = free_port(), free_port(), free_port()
        command = [bench.server, "serve", models, "--http-port", self.http, "--metrics-port", self.metrics, *arguments]
        command += ["--grpc-port", self.grpc] if grpc else ["--allow-grpc=false"]
        super().__init__(command, where, self.answers_ready)

    def answers_ready(self):
        while time.monotonic() < self.began + 60:
            if not self.running():
                self.fail("ended at start")
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.http), 1) as probe:
                    probe.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if probe.recv(64).startswith(b"HTTP/1.1 200"):
                        return
            time.sleep(0.001)
        self.fail("was not ready after 60 s")

    def terminate(self):
        """Seconds from SIGTERM to the end of the process."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - began


@contextlib.contextmanager
def no_halting(bench):
    """Idle-class spinners keep the virtual CPUs from halting, whose wake-ups would be measured instead of servers."""
    spinner = subprocess.Popen([bench.program("idle_spinner")])
    Noise.spinners.append(spinner.pid)
    try:
        time.sleep(0.05)
        yield
    finally:
        Noise.spinners.remove(spinner.pid)
        spinner.kill()
        spinner.wait()


class Bench:
    """What all rows share: where programs and models lie, how long and how often to measure."""

    def __init__(self, build, server, quick, patience=0):
        self.build = pathlib.Path(build).resolve()
        self.server = pathlib.Path(server).resolve() if server else self.build / "cotenant"
        self.quick = quick
        self.seconds = 1.0 if quick else 3.0
        self.repeats = 2 if quick else 7
        self.models = self.build / "benchmarks" / "models"
        self.deps = DEPS
        self.patience = patience * 60  # Seconds left to measure again what was disturbed, in all.

    def undisturbed(self, measure):
        """What `measure` returns; while there is patience, what others disturbed is measured again."""
        while True:
            began = time.monotonic()
            result = measure()
            if self.patience <= 0 or result.get("others", 0) <= DISTURBED:
                return result
            self.patience -= time.monotonic() - began

    def program(self, name):
        return str(self.build / "benchmarks" / name)

    def model(self, name):
        return str(self.models / name / "1" / "model.onnx")

    def repository(self, *names, folder="served"):
        """A model repository with just these networks."""
        place = self.build / "benchmarks" / folder
        shutil.rmtree(place, ignore_errors=True)
        for name in names:
            shutil.copytree(self.models / name, place / name)
        return place

    def prepare(self):
        """Copies the MLP (twice) out of the test models and writes the convolutions."""
        for name in ("mlp", "mlp_2"):
            if not pathlib.Path(self.model(name)).exists():
                shutil.copytree(ROOT / "tests" / "models" / "mlp", self.models / name, dirs_exist_ok=True)
        for name, side in (("conv", "64"), ("conv_small", "32"), ("conv_96", "96"), ("conv_128", "128")):
            if not pathlib.Path(self.model(name)).exists():
                python = self.deps / "venv" / "bin" / "python"
                subprocess.run([python, ROOT / "benchmarks" / "make_conv.py", self.models / name, side], check=True)
        real = self.deps / "models" / "ppocr_det"
        if real.exists():
            shutil.copytree(real, self.models / "ppocr_det", dirs_exist_ok=True)

    def json_of(self, command, where=None):
        done = subprocess.run(pinned(command, where), capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def bare(self, where=None, model="mlp", shape="1,64", threads=1):
        with Noise(where=where) as noise:
            result = self.json_of([self.program("bare_ort"), self.model(model), "--shape", shape, "--threads", threads,
                                   "--seconds", self.seconds], where)
        return result | noise.percent

    def light(self, kind, port, where=None, seconds=None, **options):
        """Runs light_http or light_grpc to its end. Options are its flags."""
        command = [self.program(f"light_{kind}"), "--port", port, "--seconds", seconds or self.seconds]
        for flag, value in options.items():
            command += ["--" + flag.replace("_", "-"), value]
        return self.json_of(command, where)

    def loaded(self, kind, server, port, where=None, **options):
        """A client's figures with the server's CPU time per answer, both without the client's warm-up."""
        self.light(kind, port, where, seconds=0.3, **options)
        with Noise(server, where=where) as noise:
            before = server.cpu()
            result = self.light(kind, port, where, warmup_seconds=0, **options)
            spent = server.cpu() - before
        answers = sum(result["statuses"].values())
        result["cpu_us"] = spent * 1e6 / max(answers, 1)
        result["per_cpu_second"] = result["count"] / spent
        return result | noise.percent


def median(values):
    return statistics.median(values) if values else float("nan")


def medians(runs, *path):
    """The median over repeats of one figure, which lies at `path` in each."""
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return median(values)
