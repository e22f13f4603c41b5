#!/usr/bin/env python3
"""Serves seven real networks in two fifths of the memory that they and their runs take as shipped, drives
each with real inputs through tritonclient, and prints what they recognised and what the little memory
cost: cold starts, how long cold and warm answers take, and which answers came from a form with losses.

The server stays up; a later run uses it again, or replaces it after a new build. `make demo` builds
and fetches first.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import numpy as np
import onnx
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

import live_server
import networks
import samples

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("COTENANT_DEPS", ROOT / ".deps"))
BEGAN = time.time()


class Caller:
    """Sends requests over one protocol and keeps how long each took, as the client sees it."""

    def __init__(self, module, address):
        self.module = module
        self.client = module.InferenceServerClient(address)
        self.milliseconds = []
        self.by_start = {"warm": [], "cold": []}

    def __call__(self, model, inputs, outputs, classes=0):
        tensors = []
        for name, value in inputs.items():
            tensor = self.module.InferInput(
                name, list(value.shape), np_to_triton_dtype(value.dtype)
            )
            tensor.set_data_from_numpy(value)
            tensors.append(tensor)
        wanted = [self.module.InferRequestedOutput(name, class_count=classes) for name in outputs]
        started = time.perf_counter()
        # A request that names its tenant is told whether the network was in memory.
        answer = self.client.infer(model, tensors, outputs=wanted, parameters={"tenant": "default"})
        self.milliseconds.append((time.perf_counter() - started) * 1e3)
        self.by_start[start_of(answer)].append(self.milliseconds[-1])
        return {name: answer.as_numpy(name) for name in outputs}

    def close(self):
        self.client.close()


def start_of(answer):
    """"warm", or "cold" when the network was not in memory as the request arrived."""
    response = answer.get_response()
    if isinstance(response, dict):
        return response["parameters"]["start"]
    return response.parameters["start"].string_param


def percentile(values, share):
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(int(np.ceil(share * len(ordered))) - 1, 0)]


def characters_of(model_file):
    """The characters that the recognition network's columns stand for, which it carries itself:
    blank first, space last.
    """
    properties = {item.key: item.value for item in onnx.load(model_file).metadata_props}
    return [""] + properties["character"].split("\n") + [" "]


def drive(task, callers, seconds):
    """Repeats a task over each protocol for a while; returns its row of the table."""
    row = {"requests": 0, "right": True, "recognised": ""}
    for protocol, caller in callers.items():
        task(caller)  # Not measured: first requests pay for what a server prepares once.
        caller.milliseconds.clear()
        until = time.monotonic() + seconds
        while not caller.milliseconds or time.monotonic() < until:
            row["recognised"], right = task(caller)
            row["right"] = row["right"] and right
        row["requests"] += len(caller.milliseconds)
        row[protocol] = {
            "requests": len(caller.milliseconds),
            "p50_ms": percentile(caller.milliseconds, 0.5),
            "p99_ms": percentile(caller.milliseconds, 0.99),
        }
    return row


def print_row(cells):
    network, requests, http, grpc, recognised = cells
    print(f"{network:<26}{requests:>9}  {http:>15}  {grpc:>15}  {recognised}", flush=True)


def run(server, options):
    inputs = DEPS / "demo" / "inputs"
    callers = {
        "http": Caller(tritonclient.http, server.address("http")),
        "grpc": Caller(tritonclient.grpc, server.address("grpc")),
    }
    boxes = networks.line_boxes(callers["http"])
    characters = characters_of(pathlib.Path(options.models) / "ppocr_rec" / "1" / "model.onnx")
    tasks = {
        "silero_vad (voice)": functools.partial(networks.voice_activity, inputs=inputs),
        "magika (file types)": functools.partial(networks.file_types, inputs=inputs),
        "ppocr_det (find text)": functools.partial(networks.text_detection, inputs=inputs),
        "ppocr_cls (direction)": functools.partial(
            networks.text_direction, inputs=inputs, boxes=boxes
        ),
        "ppocr_rec (read text)": functools.partial(
            networks.text_recognition, inputs=inputs, boxes=boxes, characters=characters
        ),
        "minilm (sentences)": functools.partial(networks.sentence_embedding, inputs=inputs),
        "basic_pitch (music)": functools.partial(networks.music, inputs=inputs),
    }
    print("\none request at a time; p50 / p99 in milliseconds as the client measures them\n")
    print_row(["network", "requests", "HTTP p50/p99", "gRPC p50/p99", "recognised"])
    rows = {}
    for name, task in tasks.items():
        row = rows[name.split()[0]] = drive(task, callers, options.seconds)
        times = [f"{row[p]['p50_ms']:.2f} / {row[p]['p99_ms']:.2f}" for p in callers]
        print_row(
            [
                name,
                row["requests"],
                *times,
                row["recognised"] + ("" if row["right"] else "   <-- WRONG"),
            ]
        )
    cost = cost_of_turns(server, tasks, callers["http"])
    for caller in callers.values():
        caller.close()
    return rows, cost


def cost_of_turns(server, tasks, caller):
    """Asks all networks in turn, so that those that are out come back; what that costs."""
    before = totals(server.memory())
    caller.by_start = {"warm": [], "cold": []}
    for _ in range(3):
        for task in tasks.values():
            task(caller)
    after = totals(server.memory())
    cost = {name: after[name] - before[name] for name in after}
    cost["requests"] = sum(len(times) for times in caller.by_start.values())
    for start, times in caller.by_start.items():
        cost[f"{start}_p50_ms"] = percentile(times, 0.5) if times else None
        cost[f"{start}_max_ms"] = max(times) if times else None
    return cost


def totals(memory):
    names = ("cold_starts", "loads", "load_seconds", "evictions")
    return {name: sum(row[name] for row in memory["models"]) for name in names}


def print_cost(server, cost, shipped):
    mib = 1 << 20
    memory = server.memory()
    models = memory["budget"]["models"] + memory["budget"]["parked"]
    print(
        f"\nMemory: {models / mib:.1f} MiB for networks that take {shipped / mib:.1f} MiB with their runs as shipped "
        f"({models / shipped:.0%}); budget {memory['budget']['total'] / mib:.1f} MiB, of it "
        f"{memory['budget']['base'] / mib:.1f} for the program and {memory['budget']['requests'] / mib:.1f} "
        f"for requests; most ever resident {memory['process']['resident_peak'] / mib:.1f} MiB"
    )
    taken = ", ".join(
        f"{row['name']} {(row['mapped'] + row['anonymous']) / mib:.1f}{form_of(row)}" for row in memory["models"]
    )
    print(f"Prepared they take, in MiB: {taken}")
    print(
        f"Asked in turn, {cost['requests']} requests: {cost['cold_starts']} cold starts, {cost['loads']} loads in "
        f"{cost['load_seconds']:.2f} s, {cost['evictions']} evictions"
    )
    for start in ("warm", "cold"):
        if cost[f"{start}_p50_ms"] is not None:
            print(
                f"  {start} answers: median {cost[f'{start}_p50_ms']:.2f} ms, "
                f"longest {cost[f'{start}_max_ms']:.2f} ms"
            )


def form_of(row):
    """How accurate a form with losses is that answers in the network's place."""
    variants = row.get("variants", [row])
    own = next((one for one in variants if one.get("name") in ("default", row["name"])), {})
    accuracy = own.get("accuracy", 100)
    return f" (agrees in {accuracy} %)" if accuracy < 100 else ""


def prepare(options, folder):
    """Fills the cache, once, and gives what the networks and their runs take together as shipped, and the least that
    serves each of them."""
    data = folder / "samples"
    characters = characters_of(pathlib.Path(options.models) / "ppocr_rec" / "1" / "model.onnx")
    samples.write(options.models, folder / "inputs", data, characters)
    report = folder / "prepared.json"
    outcome = subprocess.run(
        [
            options.server,
            "prepare",
            options.models,
            f"--cache-dir={folder / 'cache'}",
            f"--data={data}",
            f"--quantiser={ROOT / 'tools' / 'quantise'}",
            # The table below shows whether the answers are still right.
            f"--agreement={options.agreement}",
            f"--json={report}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    if outcome.returncode != 0:
        sys.exit(f"demo: preparing failed:\n{outcome.stdout}")
    print("demo: " + outcome.stdout.splitlines()[-1])
    found = json.loads(report.read_text())["networks"]
    shipped = sum(taken(network["shipped"]) + network["shipped"]["run_peak_bytes"] for network in found)
    # The server keeps room for as many runs as it has slots.
    runs = sorted(network["shipped"]["run_peak_bytes"] for network in found)[-len(os.sched_getaffinity(0)) :]
    least = {network["name"]: room_of(network, options.agreement) for network in found}
    return shipped, least, sum(max(peak, RUN_BYTES_MIN) for peak in runs)


RUN_BYTES_MIN = 4 << 20  # Reserved for a run that was never seen.


def taken(form):
    return form["mapped_bytes"] + form["anonymous_bytes"]


def room_of(network, agreement):
    """The least that a network needs at any time without its runs, in a form that may serve."""
    forms = [form for form in network["forms"] if form["agreement_percent"] >= agreement]
    return min(max(form["load_peak_bytes"], taken(form)) for form in [network["shipped"], *forms])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default=DEPS / "models", help="model repository to serve")
    parser.add_argument("--server", default=ROOT / "build" / "cotenant", help="the program")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long to drive each network per protocol"
    )
    parser.add_argument("--json", metavar="FILE", help="write the table there too")
    parser.add_argument(
        "--share",
        type=float,
        default=0.4,
        help="memory for the networks, of what they and their runs take together as shipped",
    )
    parser.add_argument(
        "--agreement",
        type=int,
        default=95,
        help="an int8 form that agrees in so many percent of its answers may be served",
    )
    parser.add_argument(
        "--stop", action="store_true", help="only stop the server that an earlier run left"
    )
    options = parser.parse_args()

    server = live_server.LiveServer(options.server, options.models, DEPS / "demo")
    if options.stop:
        print("demo: stopped the server" if server.stop() else "demo: no server of an earlier run")
        return
    shipped, least, runs = prepare(options, server.folder)
    wanted = int(options.share * shipped)
    largest = max(least, key=least.get)
    needed = least[largest] + runs
    if wanted < needed:
        print(
            f"demo: {largest} alone needs {least[largest] / 2**20:.1f} MiB in its least form and runs {runs / 2**20:.1f}: "
            f"{needed / shipped:.0%} of the sum, more than {options.share:.0%}"
        )
    server.reuse_or_start(max(wanted, needed))
    broken = server.unavailable()
    for name, reason in broken:
        print(f"demo: {name} does not serve: {reason}", file=sys.stderr)
    if broken:
        sys.exit(1)
    rows, cost = run(server, options)
    print_cost(server, cost, shipped)
    if options.json:
        report = {
            "networks": rows,
            "memory": server.memory() | {"shipped_bytes": shipped, "cost": cost},
            "cpus": len(os.sched_getaffinity(0)),
            "machine": platform.machine(),
            "wall": {
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGAN)),
                "took_s": round(time.time() - BEGAN, 1),
            },
        }
        pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    wrong = [name for name, row in rows.items() if not row["right"]]
    print(
        f"\nThe server is still running: http://{server.address('http')}/ "
        f"(gRPC {server.address('grpc')}, "
        f"metrics http://{server.address('metrics')}/metrics)\n"
        f"Log: {server.folder / 'server.log'}\n"
        f"Stop it with `make demo-stop`, or: kill $(cat {server.folder / 'server.pid'})"
    )
    if wrong:
        sys.exit(f"demo: not recognised as expected: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
