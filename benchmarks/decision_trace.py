"""Reads a decision trace (`cotenant serve --decision-trace FILE`) for what tiny requests met beside a large network."""

import bisect
import collections


def percentile(values, part):
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * part)] if ordered else float("nan")


class Trace:
    """Times in nanoseconds of the machine's monotonic clock. The large network is the model whose runs are longer."""

    def __init__(self, path):
        self.arrived, self.began, self.ended = {}, {}, {}
        self.runs, self.ran_for = {}, {}
        with open(path) as file:
            for line in file:
                self.take(line.rstrip("\n").split(","))
        longest = collections.defaultdict(list)
        for run, (_, model, _, _) in self.runs.items():
            if run in self.ran_for:
                longest[model].append(self.ran_for[run])
        self.big = max(longest, key=lambda model: percentile(longest[model], 0.5))

    def take(self, fields):
        kind = fields[0]
        if kind == "arrived":
            _, now, at, request, model, _, _, bound = fields
            self.arrived[request] = (int(at), model, int(bound), int(now))
        elif kind == "run":
            _, now, run, model, slot, _, where, _, members = fields
            self.runs[run] = (int(now), model, int(slot), where)
            for request in members.split(";"):
                self.began[request] = run
        elif kind in ("finished", "failed"):
            _, _, at, run, ran_for = fields
            self.ran_for[run] = int(ran_for)
            self.ended[run] = int(at)


def beside(path, marks):
    """What the other models' requests met. `marks`: quiet from the first to the second, busy in the last two."""
    trace = Trace(path)
    begun = collections.defaultdict(list)
    for now, model, slot, _ in trace.runs.values():
        if model == trace.big:
            begun[slot].append(now)
    for times in begun.values():
        times.sort()
    quiet, busy, met, total, worst = [], [], 0, 0, 0
    for request, (at, model, bound, taken) in trace.arrived.items():
        if model == trace.big:
            continue
        run = trace.began.get(request)
        took = trace.ended[run] - at if run in trace.ended else None
        if marks[0] <= at < marks[1] and took is not None:
            quiet.append(took)
        if not marks[2] <= at < marks[3]:
            continue
        total += 1
        met += took is not None and took <= bound
        if took is None:
            continue
        busy.append(took)
        start, _, slot, _ = trace.runs[run]
        times = begun[slot]
        worst = max(worst, bisect.bisect_left(times, start) - bisect.bisect_right(times, at))
    big = [trace.ran_for[run] for run, (now, model, _, _) in trace.runs.items()
           if model == trace.big and run in trace.ran_for and marks[2] <= now < marks[3]]
    return {"tiny": total, "big": len(big), "met_share": met / max(total, 1), "big_begun_max": worst,
            "quiet_p99_ms": percentile(quiet, 0.99) / 1e6, "busy_p99_ms": percentile(busy, 0.99) / 1e6,
            "busy_p50_ms": percentile(busy, 0.5) / 1e6, "big_p50_ms": percentile(big, 0.5) / 1e6,
            "big_p95_ms": percentile(big, 0.95) / 1e6}
