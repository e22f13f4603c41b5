"""The rows of the benchmark: each measures us and its yardsticks in turns and returns findings. For benchmarks/run."""

import collections
import contextlib
import dataclasses
import math
import pathlib
import subprocess
import threading
import time

import decision_trace as decisions
from harness import (Cotenant, Noise, Process, cpus, free_port, median, medians, memory, no_halting, say, threads,
                     wake_ups)

NAIVE_PER_BARE = 4.5  # On the machine whose figures the goals were drawn from.


@dataclasses.dataclass
class Finding:
    """One line of the table. `counts` is false when the yardsticks are off, so that the line proves nothing."""
    row: str
    title: str
    measured: str
    goal: str
    passed: bool | None = None
    counts: bool = True
    noise: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)


def interleaved(bench, participants, title):
    """Runs every participant once per repeat, in turns; {name: [result, …]}."""
    runs = collections.defaultdict(list)
    names = list(participants)
    for repeat in range(bench.repeats):
        shift = repeat % len(names)
        for name in names[shift:] + names[:shift]:
            runs[name].append(bench.undisturbed(lambda name=name: participants[name](repeat)))
        say(f"  {title}: repeat {repeat + 1} of {bench.repeats}")
    return dict(runs)


def noise_of(runs):
    """The medians over all runs of what the host and other processes took."""
    return {who: median([run[who] for part in runs.values() for run in part]) for who in ("stolen", "others")}


def one_cpu(repeat):
    """Server and client share it; repeats take the CPUs in turns."""
    return [cpus()[repeat % len(cpus())]]


def yardsticks_fit(bare, naive):
    ratio = naive / bare
    return abs(ratio / NAIVE_PER_BARE - 1) <= 0.25, ratio


def baseline(bench, name, kind, placed, **options):
    def measure(repeat):
        where = placed(repeat)
        port = free_port()
        with Process([bench.program(name), bench.model("mlp"), port], where) as server:
            return bench.loaded(kind, server, port, where if len(where or []) == 1 else None, **options)
    return measure


def ours(bench, kind, placed, **options):
    place = bench.repository("mlp")
    def measure(repeat):
        where = placed(repeat)
        with Cotenant(bench, place, where, grpc=kind == "grpc") as server:
            port = server.grpc if kind == "grpc" else server.http
            return bench.loaded(kind, server, port, where if len(where or []) == 1 else None, **options)
    return measure


def bare(bench, placed):
    return lambda repeat: bench.bare(placed(repeat))


def http_one(bench):
    runs = interleaved(bench, {
        "bare": bare(bench, one_cpu),
        "naive": baseline(bench, "naive_server", "http", one_cpu),
        "ours": ours(bench, "http", one_cpu)}, "HTTP, one client")
    cpu = {name: medians(part, "cpu_us") for name, part in runs.items()}
    p50 = {name: medians(runs[name], "latency_us", "p50") for name in ("naive", "ours")}
    p99 = {name: medians(runs[name], "latency_us", "p99") for name in ("naive", "ours")}
    fits, ratio = yardsticks_fit(cpu["bare"], cpu["naive"])
    figures = {"cpu_us": cpu, "p50_us": p50, "p99_us": p99, "naive_per_bare": ratio, "runs": runs}
    return [
        Finding("http-1", "HTTP binary, one light client, one CPU: server CPU per request",
                f"{cpu['ours']:.1f} µs = {cpu['ours'] / cpu['naive']:.2f} × naive ({cpu['naive']:.1f}; "
                f"bare {cpu['bare']:.1f}, naive/bare {ratio:.2f})", "≤ 0.85 × naive",
                cpu["ours"] <= 0.85 * cpu["naive"], fits, noise_of(runs), figures),
        Finding("http-1", "… p50 (p99)",
                f"{p50['ours']:.1f} ({p99['ours']:.0f}) µs = {p50['ours'] / p50['naive']:.2f} × naive "
                f"({p50['naive']:.1f} ({p99['naive']:.0f}))", "≤ 0.9 × naive",
                p50["ours"] <= 0.9 * p50["naive"], fits, noise_of(runs))]


def grpc_one(bench):
    runs = interleaved(bench, {
        "bare": bare(bench, one_cpu),
        "naive": baseline(bench, "naive_server", "http", one_cpu),
        "grpc": baseline(bench, "grpc_cq_server", "grpc", one_cpu),
        "ours": ours(bench, "grpc", one_cpu)}, "gRPC, one client")
    cpu = {name: medians(part, "cpu_us") for name, part in runs.items()}
    p50 = {name: medians(runs[name], "latency_us", "p50") for name in ("grpc", "ours")}
    fits, ratio = yardsticks_fit(cpu["bare"], cpu["naive"])
    figures = {"cpu_us": cpu, "p50_us": p50, "naive_per_bare": ratio, "runs": runs}
    return [
        Finding("grpc-1", "gRPC, one light client, one CPU: server CPU per request",
                f"{cpu['ours']:.1f} µs = {cpu['ours'] / cpu['grpc']:.2f} × bare server ({cpu['grpc']:.1f})",
                "≤ 1.1 × bare server", cpu["ours"] <= 1.1 * cpu["grpc"], fits, noise_of(runs), figures),
        Finding("grpc-1", "… p50",
                f"{p50['ours']:.1f} µs = {p50['ours'] / p50['grpc']:.2f} × bare server ({p50['grpc']:.1f})",
                "≤ 1.1 × bare server", p50["ours"] <= 1.1 * p50["grpc"], fits, noise_of(runs))]


def http_sixteen(bench):
    everywhere = lambda _: None
    options = {"connections": 16}
    with no_halting(bench):
        runs = interleaved(bench, {
            "bare": bare(bench, one_cpu),
            "naive": baseline(bench, "naive_server", "http", everywhere, **options),
            "prototype": baseline(bench, "prototype_server", "http", everywhere, **options),
            "ours": ours(bench, "http", everywhere, **options)}, "HTTP, 16 clients")
    rate = {name: medians(part, "rate") for name, part in runs.items()}
    cpu = {name: medians(part, "cpu_us") for name, part in runs.items()}
    figures = {"rate": rate, "cpu_us": cpu, "runs": runs}
    both = (f"{rate['ours']:.0f}/s; prototype {rate['prototype']:.0f}, naive {rate['naive']:.0f}; CPU per request "
            f"{cpu['ours']:.1f} / {cpu['prototype']:.1f} / {cpu['naive']:.1f} µs")
    return [
        Finding("http-16", "16 light clients, two CPUs, tiny network: requests/s", both +
                f"; {rate['ours'] / rate['prototype']:.2f} × prototype", "≥ 1.0 × best prototype",
                rate["ours"] >= rate["prototype"], True, noise_of(runs), figures),
        Finding("http-16", "… against naive", f"{rate['ours'] / rate['naive']:.2f} × naive", "≥ 1.6 × naive",
                rate["ours"] >= 1.6 * rate["naive"], True, noise_of(runs))]


def extras(bench):
    """What it costs to keep reasons, and to record every event."""
    place, where = bench.repository("mlp"), one_cpu(0)
    flags = {"plain": ["--decisions-max", 0], "reasons": [],
             "record": ["--decisions-max", 0, "--record", bench.build / "benchmarks" / "extras.log"]}
    rounds = collections.defaultdict(list)
    # Side by side and in many short turns: what the machine does in between hits all of them.
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Cotenant(bench, place, where, grpc=False, arguments=arguments))
                   for name, arguments in flags.items()}
        noise = stack.enter_context(Noise(*servers.values(), where=where))
        for turn in range(4 * bench.repeats):
            names = list(servers)[turn % 3:] + list(servers)[:turn % 3]
            for name in names:
                before = servers[name].cpu()
                answers = bench.light("http", servers[name].http, where, seconds=bench.seconds / 5,
                                      warmup_seconds=0, connections=4)["count"]
                rounds[name].append((servers[name].cpu() - before) * 1e6 / answers)
    findings = []
    for name, what in (("reasons", "decisions kept with their reasons"), ("record", "every event recorded")):
        share = median([mine / plain for mine, plain in zip(rounds[name], rounds["plain"])])
        findings.append(Finding("extras", f"{what}, tiny network, one CPU: server CPU per request",
                                f"{share:.3f} × without ({median(rounds['plain']):.1f} µs)", "≤ 1.02 × without",
                                share <= 1.02, True, noise.percent, {"cpu_us": rounds}))
    return findings


def milliseconds(bench):
    findings = []
    networks = [("conv", "1,3,64,64", "y"), ("conv_96", "1,3,96,96", "y"), ("conv_128", "1,3,128,128", "y")]
    if pathlib.Path(bench.model("ppocr_det")).exists():
        networks.append(("ppocr_det", "1,3,160,160", "fetch_name_0"))
    for name, shape, output in networks:
        place = bench.repository(name)
        # Batches would compare another thing: bare ONNX Runtime runs them one by one.
        (place / name / "config.pbtxt").write_text("max_batch_size: 0\n")
        def bare_both(_, name=name, shape=shape):
            return bench.bare(None, name, shape, len(cpus()))
        options = {"connections": 2 * len(cpus()), "model": name, "shape": shape, "output": output}
        def served(_, options=options, place=place):
            with Cotenant(bench, place, grpc=False) as server:
                return bench.loaded("http", server, server.http, **options)
        # Every network on the thread that reads its request: the prototype as a server, the floor without even that.
        def yardstick(program, name=name, shape=shape, options=options):
            def run(_):
                port = free_port()
                with Process([bench.program(program), bench.model(name), port, shape]) as server:
                    return bench.loaded("http", server, port, **options)
            return run
        runs = interleaved(bench, {"bare": bare_both, "prototype": yardstick("prototype_server"),
                                   "floor": yardstick("floor_server"), "ours": served}, name)
        per_cpu = {who: medians(part, "per_cpu_second") for who, part in runs.items()}
        rate = {who: medians(part, "rate") for who, part in runs.items()}
        share = {who: per_cpu[who] / per_cpu["bare"] for who in ("prototype", "floor", "ours")}
        findings.append(Finding(
            "ms", f"{name} ({medians(runs['bare'], 'p50') / 1000:.1f} ms), both CPUs busy: runs per CPU second",
            f"{per_cpu['ours']:.1f} = {share['ours']:.1%} of bare ORT ({per_cpu['bare']:.1f}; floor of a socket "
            f"{share['floor']:.1%}, best prototype {share['prototype']:.1%}); rate {rate['ours']:.0f} / {rate['bare']:.0f}", "≥ 97 % of bare ORT",
            share["ours"] >= 0.97, True, noise_of(runs), {"per_cpu_second": per_cpu, "rate": rate, "runs": runs}))
    return findings


CONV = {"model": "conv", "shape": "1,3,64,64"}
# One that runs inline, beyond the slots, and one that is too long for that and needs a slot.
SHORT = {"mlp": {"model": "mlp", "rate": 200}, "conv_small": {"model": "conv_small", "shape": "1,3,32,32", "rate": 50}}
CONV_CLIENTS = 16  # First come, first served means to wait for about 7 runs behind them on two CPUs.
BOUND_RUNS = 4     # The short networks' bound, in runs of the large one.


def together(*calls):
    """Runs all at the same time; their results."""
    results = [None] * len(calls)
    def one(i):
        results[i] = calls[i]()
    workers = [threading.Thread(target=one, args=[i]) for i in range(len(calls))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def beside_run(bench, place, dispatch, seconds, bound_ms):
    """Short networks with a bound, first alone, then beside a saturated one; read off the event log."""
    folder = bench.build / "benchmarks"
    config, log, path = (folder / f"{dispatch}.{ending}" for ending in ("toml", "log", "csv"))
    config.write_text(f'[policies]\ndispatch = "{dispatch}"\n')
    marks = []
    with Cotenant(bench, place, grpc=False, arguments=["--config", config, "--record", log,
                                                      "--record-max-bytes", "4GiB"]) as server:
        def short(seconds, warmup):
            marks.append(time.monotonic_ns())
            results = together(*(
                lambda options=options: bench.light("http", server.http, seconds=seconds, warmup_seconds=warmup,
                                                    connections=4, bound_ms=bound_ms, **options)
                for options in SHORT.values()))
            marks.append(time.monotonic_ns())
            return results
        def short_later():
            time.sleep(0.7)
            return short(seconds - 0.3, 0)
        bench.light("http", server.http, seconds=0.5, connections=2, **CONV)
        for options in SHORT.values():
            bench.light("http", server.http, seconds=0.5, **options)
        quiet = short(seconds, 0.3)
        def large():
            bench.light("http", server.http, seconds=seconds + 1, connections=CONV_CLIENTS, **CONV)
        with Noise(server) as noise:
            _, busy = together(large, short_later)
        server.terminate()
    subprocess.run([bench.server, "trace", log, "--decisions", path], check=True, stdout=subprocess.DEVNULL)
    trace = decisions.Trace(path)
    big, *others = trace.models
    return noise.percent | {"big": decisions.runs_of(trace, big, marks), "clients": [quiet, busy]} | {
        name: decisions.beside(trace, model, big, marks) for name, model in zip(SHORT, others)}


def beside(bench):
    place = bench.repository("mlp", "conv", "conv_small")
    for name in ("conv", "conv_small"):
        (place / name / "config.pbtxt").write_text("max_batch_size: 0\n")
    seconds = 2.0 if bench.quick else 6.0
    with no_halting(bench):
        one_run = bench.bare(None, "conv", CONV["shape"], len(cpus()))["p50"] / 1000
        bound_ms = math.ceil(BOUND_RUNS * one_run)
        runs = interleaved(bench, {
            "edf": lambda _: beside_run(bench, place, "edf", seconds, bound_ms),
            "fifo": lambda _: beside_run(bench, place, "fifo", seconds, bound_ms)}, "short beside conv")
    edf, fifo, noise = runs["edf"], runs["fifo"], noise_of(runs)
    p95 = medians(edf, "big", "p95_ms")
    findings = []
    for name in SHORT:
        begun = max(run[name]["big_begun_max"] for run in edf)
        total, inline = (sum(run[name][key] for run in edf) for key in ("requests", "inline"))
        excess = median([run[name]["busy_p99_ms"] - run[name]["quiet_p99_ms"] - run["big"]["p95_ms"] for run in edf])
        met = {policy: median([run[name]["met_share"] for run in part]) for policy, part in runs.items()}
        findings += [
            Finding("beside", f"{name} ({inline / max(total, 1):.0%} inline) beside a saturated {one_run:.1f} ms "
                    "network: runs of it that begin on the slot a request gets, between its arrival and start",
                    f"at most {begun} ({total} requests)", "≤ 1 each", begun <= 1, True, noise,
                    {"runs": runs, "bound_ms": bound_ms}),
            Finding("beside", "… server-side p99", f"{medians(edf, name, 'busy_p99_ms'):.2f} ms; quiet "
                    f"{medians(edf, name, 'quiet_p99_ms'):.2f}, p95 of one run {p95:.2f}; with fifo "
                    f"{medians(fifo, name, 'busy_p99_ms'):.2f}", "≤ quiet p99 + p95 of one run", excess <= 0, True,
                    noise),
            # What runs inline beyond the slots meets its bounds in any order, so only the other tells the policies apart.
            Finding("beside", f"… bounds of {bound_ms} ms met", f"edf {met['edf']:.2%}, fifo {met['fifo']:.2%}",
                    "edf ≥ 99 %" if inline else "edf ≥ 99 %, more than fifo",
                    met["edf"] >= 0.99 and (inline > 0 or met["edf"] > met["fifo"]), True, noise)]
    return findings


# As gRPC 1.51 names its threads, and ours that waits on its completion queue. All others count as ours.
GRPC_THREADS = ("default-executo", "resolver-execut", "event_engine", "timer_manager", "grpc_global_tim", "grpc-0",
                "grpc-accept")


def idle_figures(bench, server, seconds):
    time.sleep(2.0)
    if isinstance(server, Cotenant):  # Bare ONNX Runtime ran once, too.
        for model in ("mlp", "mlp_2"):
            bench.light("http", server.http, count=20, warmup_seconds=0, model=model)
    time.sleep(12.0)  # Memory that runs left goes back within ten seconds; idle is what comes then.
    before = wake_ups(server.pid)
    time.sleep(seconds)
    names = threads(server.pid)
    theirs = [name for name in names if name in GRPC_THREADS]
    return memory(server.pid) | {"wake_ups": wake_ups(server.pid) - before, "own": len(names) - len(theirs),
                                 "grpc_threads": len(theirs), "names": sorted(names),
                                 "start_ms": server.start_seconds * 1000}


def idle(bench):
    place = bench.repository("mlp", "mlp_2")
    seconds = 10 if bench.quick else 60
    # Together, not in turns: nothing here competes for a CPU.
    servers = {
        "bare": Process([bench.program("bare_ort"), bench.model("mlp"), "--idle", 2]),
        "empty": Process([bench.program("grpc_cq_server"), "-", free_port()]),
        "grpc": Cotenant(bench, place),
        "http": Cotenant(bench, place, grpc=False)}
    found = {}
    def look(name):
        with servers[name] as server:
            found[name] = idle_figures(bench, server, seconds)
    lookers = [threading.Thread(target=look, args=[name]) for name in servers]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join()
    part = lambda name, key: found[name][key] / 1024
    lines = []
    for name, limit in (("grpc", 1.7), ("http", 1.3)):
        how = "with gRPC" if name == "grpc" else "--allow-grpc=false"
        anonymous = part(name, "Anonymous") / part("bare", "Anonymous")
        resident = part(name, "Rss") / part("bare", "Rss")
        lines += [
            Finding("idle", f"idle, two copies of the MLP, {how}: anonymous memory",
                    f"{part(name, 'Anonymous'):.1f} MiB = {anonymous:.2f} × bare ({part('bare', 'Anonymous'):.1f})",
                    "≤ 1.5 × bare", anonymous <= 1.5, figures=found),
            Finding("idle", "… resident", f"{part(name, 'Rss'):.1f} MiB = {resident:.2f} × bare "
                    f"({part('bare', 'Rss'):.1f})", f"≤ {limit} × bare", resident <= limit)]
    own_max = 2 * len(cpus()) + 2
    lines += [
        Finding("idle", "… our own threads", f"{found['http']['own']} (with gRPC {found['grpc']['own']}, and "
                f"{found['grpc']['grpc_threads']} for gRPC)", f"≤ {own_max}",
                max(found["http"]["own"], found["grpc"]["own"]) <= own_max),
        Finding("idle", f"… wake-ups in {seconds} s, HTTP only", str(found["http"]["wake_ups"]), "0",
                found["http"]["wake_ups"] == 0),
        Finding("idle", "… wake-ups with gRPC", f"{found['grpc']['wake_ups']}; empty gRPC server "
                f"{found['empty']['wake_ups']}", "≤ an empty gRPC server",
                found["grpc"]["wake_ups"] <= found["empty"]["wake_ups"])]
    return lines


def drain_seconds(bench, place):
    """Seconds from the last answer to the end of the process, with clients that go on until they are refused."""
    with Cotenant(bench, place, grpc=False) as server:
        load = subprocess.Popen([bench.program("light_http"), "--port", str(server.http), "--seconds", "30", "--model",
                                 "conv", "--shape", "1,3,64,64", "--connections", "8"], stderr=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL)
        time.sleep(0.8)
        took = server.terminate()
        load.kill()
        load.wait()
        return took


def start(bench):
    place, loaded = bench.repository("mlp", "mlp_2"), bench.repository("conv", folder="served_conv")
    found = collections.defaultdict(list)
    for _ in range(max(bench.repeats, 3)):
        with Process([bench.program("bare_ort"), bench.model("mlp"), "--idle", 2]) as bare_process:
            found["bare_ms"].append(bare_process.start_seconds * 1000)
        with Cotenant(bench, place) as server:
            found["start_ms"].append(server.start_seconds * 1000)
            found["drain_idle_ms"].append(server.terminate() * 1000)
        with Cotenant(bench, place, grpc=False) as server:
            found["start_http_ms"].append(server.start_seconds * 1000)
        found["drain_loaded_ms"].append(drain_seconds(bench, loaded) * 1000)
    middle = {key: median(values) for key, values in found.items()}
    return [
        Finding("start", "start to ready, two copies of the MLP", f"{middle['start_ms']:.0f} ms (HTTP only "
                f"{middle['start_http_ms']:.0f}, bare {middle['bare_ms']:.0f})", "≤ 150 ms",
                middle["start_ms"] <= 150, figures=dict(found)),
        Finding("start", "drain: SIGTERM to end (8 clients on a 2 ms network)", f"{middle['drain_idle_ms']:.0f} ms "
                f"idle, {middle['drain_loaded_ms']:.0f} ms loaded", "≤ 100 ms",
                max(middle["drain_idle_ms"], middle["drain_loaded_ms"]) <= 100)]


def connections(bench):
    import idle_connections
    place = bench.repository("mlp")
    wanted = 2_000 if bench.quick else 10_000
    with no_halting(bench), Cotenant(bench, place, grpc=False) as server, Noise(server) as noise:
        others = {"connections": 4, "rate": 2000}
        bench.light("http", server.http, seconds=1, **others)
        quiet = [bench.light("http", server.http, **others) for _ in range(max(3, bench.repeats))]
        before = memory(server.pid)
        opened = idle_connections.Idle(server.http, wanted)
        after = memory(server.pid)
        busy = [bench.light("http", server.http, **others) for _ in range(max(3, bench.repeats))]
        alive = opened.still_open()
        opened.close()
    each = (after["Anonymous"] - before["Anonymous"]) / wanted
    p99 = [medians(part, "latency_us", "p99") for part in (quiet, busy)]
    figures = {"before": before, "after": after, "p99_us": p99, "alive": alive, "quiet": quiet, "busy": busy}
    return [
        Finding("connections", f"{wanted:,} idle keep-alive connections, each after one request: anonymous memory each",
                f"{each:.2f} KiB ({alive:,} still open)", "≤ 8 KiB", each <= 8 and alive == wanted, True,
                noise.percent, figures),
        Finding("connections", "… others' p99", f"{p99[1]:.0f} µs; before {p99[0]:.0f}", "unchanged (within 15 %)",
                p99[1] <= 1.15 * p99[0], True, noise.percent)]


def analyzer(bench):
    import analyzer as perf
    return perf.measure(bench, Finding)


ROWS = {"http-1": http_one, "grpc-1": grpc_one, "http-16": http_sixteen, "extras": extras, "ms": milliseconds,
        "beside": beside, "idle": idle, "start": start, "connections": connections, "analyzer": analyzer}
