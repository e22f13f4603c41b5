"""Reads the decisions of a recorded log (`cotenant trace LOG --decisions FILE`) for what tiny requests met beside a
large network."""

import bisect
import collections


def percentile(values, part):
    ordered = sorted(values)
    return ordered[int((len(ordered) - 1) * part)] if ordered else float("nan")


class Trace:
    """Times in nanoseconds of the machine's monotonic clock."""

    def __init__(self, path):
        self.arrived, self.began = {}, {}
        self.runs, self.ran_for, self.ended = {}, {}, {}
        with open(path) as file:
            for line in file:
                self.take(line.rstrip("\n").split(","))
        # Models, in the order in which their first requests came.
        self.models = list(dict.fromkeys(model for _, model, _ in self.arrived.values()))

    def take(self, fields):
        kind = fields[0]
        if kind == "arrived":
            _, _, at, request, model, _, _, bound = fields
            self.arrived[request] = (int(at), model, int(bound))
        elif kind == "run":
            _, now, run, model, slot, _, where, _, members = fields
            self.runs[run] = (int(now), model, int(slot), where)
            for request in members.split(";"):
                self.began[request] = run
        elif kind in ("finished", "failed"):
            _, _, at, run, ran_for = fields
            self.ran_for[run] = int(ran_for)
            self.ended[run] = int(at)


def beside(trace, model, big, marks):
    """What a model's requests met. `marks`: quiet from the first to the second, `big` beside it in the last two."""
    begun = collections.defaultdict(list)
    for now, of, slot, _ in trace.runs.values():
        if of == big:
            begun[slot].append(now)
    for times in begun.values():
        times.sort()
    quiet, busy, met, total, inline, worst = [], [], 0, 0, 0, 0
    for request, (at, of, bound) in trace.arrived.items():
        if of != model:
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
        start, _, slot, where = trace.runs[run]
        inline += where == "inline"
        worst = max(worst, bisect.bisect_left(begun[slot], start) - bisect.bisect_right(begun[slot], at))
    return {"requests": total, "inline": inline, "met_share": met / max(total, 1), "big_begun_max": worst,
            "quiet_p99_ms": percentile(quiet, 0.99) / 1e6, "busy_p99_ms": percentile(busy, 0.99) / 1e6,
            "busy_p50_ms": percentile(busy, 0.5) / 1e6}


def runs_of(trace, model, marks):
    """The milliseconds that a model's runs took in the last two marks."""
    took = [trace.ran_for[run] for run, (now, of, _, _) in trace.runs.items()
            if of == model and run in trace.ran_for and marks[2] <= now < marks[3]]
    return {"runs": len(took), "p50_ms": percentile(took, 0.5) / 1e6, "p95_ms": percentile(took, 0.95) / 1e6}
