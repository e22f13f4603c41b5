"""perf_analyzer against us and, where installed, a real tritonserver that runs the same file. For benchmarks/run."""

import contextlib
import re
import shutil
import subprocess
import time

from harness import Cotenant, Noise, Process, ROOT, free_port, median, say

CONFIG = """backend: "python"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 64 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 10 ] } ]
"""


def analyze(bench, server, protocol, port, clients):
    # Its own test of stability is switched off: medians over repeats, in turns, say more on a shared machine.
    command = [bench.deps / "perf_analyzer" / "run", "-m", "mlp", "-u", f"127.0.0.1:{port}", "-i", protocol,
               "--concurrency-range", clients, "--measurement-interval", 1000 if bench.quick else 3000, "--shape",
               "x:64", "--max-trials", 10, "--stability-percentage", 999]
    with Noise(server) as noise:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    rate = re.search(r"Throughput: ([\d.]+) infer/sec", done.stdout)
    p50 = re.search(r"p50 latency: (\d+) usec", done.stdout)
    p99 = re.search(r"p99 latency: (\d+) usec", done.stdout)
    if not (rate and p50 and p99):
        raise RuntimeError(f"perf_analyzer: {done.stdout[-1500:]} {done.stderr[-1500:]}")
    return {"rate": float(rate[1]), "p50": int(p50[1]), "p99": int(p99[1])} | noise.percent


class Triton(Process):
    def __init__(self, bench):
        place = bench.repository("mlp", folder="served_triton")
        (place / "mlp" / "config.pbtxt").write_text(CONFIG)
        shutil.copy(ROOT / "tools" / "triton" / "model.py", place / "mlp" / "1")
        self.http, self.grpc = free_port(), free_port()
        super().__init__([bench.deps / "triton" / "run", f"--model-repository={place}", f"--http-port={self.http}",
                          f"--grpc-port={self.grpc}", "--http-address=127.0.0.1", "--grpc-address=127.0.0.1",
                          "--allow-metrics=false"], None, self.answers_ready)

    def answers_ready(self):
        import http.client
        while time.monotonic() < self.began + 60 and self.running():
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.05)
        self.fail("was not ready")

    def end(self):
        # It shuts its Python backend's processes down itself, and leaves them behind when it is killed.
        if self.running():
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        super().end()


def measure(bench, finding):
    if not (bench.deps / "perf_analyzer" / "run").exists():
        return [finding("analyzer", "perf_analyzer", "skipped: not installed (tools/setup perf-analyzer)", "–")]
    peers = {"ours": lambda: Cotenant(bench, bench.repository("mlp"))}
    if (bench.deps / "triton" / "run").exists():
        peers["triton"] = lambda: Triton(bench)
    runs = {}
    for repeat in range(1 if bench.quick else 3):
        for name, start in peers.items():
            with start() as server:
                for protocol in ("http", "grpc"):
                    for clients in (1, 4, 16):
                        port = server.http if protocol == "http" else server.grpc
                        runs.setdefault((protocol, clients), {}).setdefault(name, []).append(
                            analyze(bench, server, protocol, port, clients))
            say(f"  perf_analyzer: {name}, repeat {repeat + 1}")
    lines = []
    for (protocol, clients), found in runs.items():
        shown = []
        for name, part in found.items():
            rate, p50, p99 = (median([run[key] for run in part]) for key in ("rate", "p50", "p99"))
            shown.append(f"{name} {rate:.0f}/s, p50 {p50:.0f}, p99 {p99:.0f} µs")
        rates = {name: median([run["rate"] for run in part]) for name, part in found.items()}
        passed = rates["ours"] > rates["triton"] if "triton" in rates else None
        noise = {who: median([run[who] for part in found.values() for run in part]) for who in ("stolen", "others")}
        lines.append(finding("analyzer", f"perf_analyzer, {protocol}, {clients} clients",
                             "; ".join(shown) + ("" if "triton" in found else "; tritonserver is not installed"),
                             "more than tritonserver", passed, True, noise,
                             {"runs": found}))
    return lines
