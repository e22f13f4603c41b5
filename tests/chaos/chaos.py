#!/usr/bin/env python3
"""Kills clients, reloads models, offers broken ones and drains a server under load, then does the sums.

tests/chaos/chaos.py [--kills N] [--reloads N] [--broken N] [--drains N] [--seconds-max S] [--seed N]
                     [--crowd N [--share S] [--cgroup]]

With --crowd there are N more models, of 8 MiB each, in a memory budget that holds a share of them: they come and go
all the time, under the same faults, and the process has to stay within its budget. With --cgroup (as root) the server
runs in a memory cgroup of its own, whose limit is the budget and a twentieth.

At the end every request that the server accepted must have exactly one end in its metrics (and in what it says when it
drains), and every client that lived must have got exactly one reply, its own, to each request that was answered. What
each life of the server recorded must replay byte for byte. Prints a line per sum and ends with 1 if one is wrong.
Everything runs on this machine's loopback.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from chaos_clients import REPLY_SECONDS_MAX, GrpcClient, Survivor, kill_clients
from chaos_models import CROWD_BYTES, write_broken, write_crowd, write_models
from chaos_server import MIB, SANITIZED, MemoryGroup, Server, post

# What a budget must hold besides the crowd's share: the program, its code, and the two small models.
BESIDE_THE_CROWD = 76 * MIB


class Chaos:
    def __init__(self, options, folder):
        self.options, self.problems = options, []
        self.repository = pathlib.Path(folder) / "models"
        self.repository.mkdir()
        write_models(self.repository)
        self.models = ["quick", "heavy"] + write_crowd(self.repository, options.crowd)
        memory = group = None
        if options.crowd:
            memory = BESIDE_THE_CROWD + int(options.share * options.crowd * CROWD_BYTES)
            group = MemoryGroup(memory * 21 // 20) if options.cgroup else None
        self.server = Server(self.repository, self.models, memory, group)
        self.control = threading.Lock()  # Reloads and drains take turns, so that a reload's answer is known.
        self.reloads = self.broken = 0

    def expect(self, what, good, facts):
        print(f"{'ok  ' if good else 'WRONG'} {what}: {facts}", flush=True)
        if not good:
            self.problems.append(what)

    def reload_models(self, seconds):
        for number in range(self.options.reloads):
            model = self.models[number % len(self.models)]
            # A file that changed, so that the load is one.
            with self.control:
                began = time.monotonic()
                os.utime(self.repository / model / "1/model.onnx")
                status, text = post(self.server.http, f"/v2/repository/models/{model}/load", b"{}")
                self.server.replaced.append((model, began, time.monotonic()))
            self.reloads += status == 200
            if status != 200:
                self.problems.append(f"reload of {model}: {status} {text}")
            time.sleep(seconds / self.options.reloads / 2)

    def offer_broken(self, seconds):
        for number in range(self.options.broken):
            name = write_broken(self.repository, number)
            with self.control:
                status, text = post(self.server.http, f"/v2/repository/models/{name}/load", b"{}")
                _, index = post(self.server.http, "/v2/repository/index", b"{}")
            rows = [row for row in json.loads(index) if row["name"] == name]
            good = status >= 400 and all(row.get("state") == "UNAVAILABLE" and row.get("reason") for row in rows)
            self.broken += good
            if not good:
                self.problems.append(f"{name}: {status} {text} {rows}")
            time.sleep(seconds / self.options.broken / 2)

    def drain_often(self, seconds):
        slowest = 0.0
        for _ in range(self.options.drains):
            time.sleep(seconds / (self.options.drains + 1))
            with self.control:
                status, took = self.server.drain()
                slowest = max(slowest, took)
                if status != 0:
                    self.problems.append(f"drain: exit status {status} after {took:.1f} s")
                self.server.start()
        self.slowest_drain = slowest

    def run(self):
        options, started = self.options, time.monotonic()
        self.server.start()
        stop = threading.Event()
        clients = [Survivor(self.server, [model], stop) for model in ("quick", "quick", "heavy", "heavy")]
        clients += [Survivor(self.server, self.models[2:], stop) for _ in range(4 if options.crowd else 0)]
        clients += [GrpcClient(self.server, self.models, stop, options.seed + i) for i in range(2)]
        seconds = options.seconds
        killer = subprocess.Popen([sys.executable, __file__, "--killer", str(self.server.http), str(options.kills),
                                   str(seconds), str(options.seed), *self.models], stdout=subprocess.PIPE, text=True)
        workers = [threading.Thread(target=work, args=(seconds,))
                   for work in (self.reload_models, self.offer_broken, self.drain_often)]
        for thread in clients + workers:
            thread.start()
        for thread in workers:
            thread.join()
        kills = killer.communicate()[0].strip()
        stop.set()
        for client in clients:
            client.join(REPLY_SECONDS_MAX + 5)
        self.settle(clients, kills, time.monotonic() - started)

    def settle(self, clients, kills, took):
        options = self.options
        accepted, ends = self.quiet_sums()
        status, seconds = self.server.drain()
        drains = self.server.sums_at_drains()
        self.expect("clients killed", kills == str(options.kills), kills)
        self.expect("reloads", self.reloads == options.reloads, self.reloads)
        self.expect("broken models refused", self.broken == options.broken, self.broken)
        self.expect("drains", status == 0 and len(drains) == options.drains + 1,
                    f"{len(drains)}, slowest {max(self.slowest_drain, seconds):.2f} s")
        self.expect("last life's metrics: one end for each accepted request", accepted == sum(ends.values()) > 0,
                    f"{accepted} accepted, {ends}")
        for life, sums in enumerate(drains, 1):
            total = sum(count for name, count in sums.items() if name != "accepted")
            self.expect(f"life {life}: one end for each accepted request", sums["accepted"] == total > 0, sums)
        counts, wrong = collections.Counter(), []
        for client in clients:
            counts += client.counts
            wrong += client.wrong + ([f"{type(client).__name__} hangs"] if client.is_alive() else [])
        self.expect("surviving clients: one reply each, their own", not wrong, f"{dict(counts)} {wrong[:5]}")
        # A request that reaches a connection just when a drain closes it was not accepted; until the next process is
        # ready its models are not there.
        for what in ("unanswered", "refused"):
            moments = [moment for client in clients for moment in getattr(client, what)]
            outside = [moment for moment in moments if not self.server.away_at(*moment)]
            self.expect(f"none {what} but in a restart or a reload", not outside,
                        f"{len(moments) - len(outside)} there, {len(outside)} else")
        replied = sum(sums["replied"] for sums in drains)
        self.expect("no reply that the server did not count", counts[200] + counts["OK"] <= replied,
                    f"{counts[200] + counts['OK']} received, {replied} counted")
        self.expect("time", took <= options.seconds_max, f"{took:.0f} s")
        for status, said in self.server.replays():
            self.expect("replayed", status == 0, said)
        self.check_memory(counts)
        for problem in self.problems:
            print("PROBLEM", problem)
        if self.problems:
            print(self.server.log.read_text()[-3000:])

    def check_memory(self, counts):
        if not self.server.memory:
            return
        peaks = ", ".join(f"{peak / MIB:.1f}" for peak in self.server.peaks)
        if SANITIZED:
            print(f"     resident at most {peaks} MiB, a sanitizer's own included")
        else:
            self.expect("memory within its budget", max(self.server.peaks) <= self.server.memory,
                        f"{peaks} of {self.server.memory / MIB:.1f} MiB")
        if self.server.group:
            kills, faults = self.server.group.kills(), sum(self.server.faults)
            self.expect("none killed for memory", kills == 0, kills)
            answered = counts[200] + counts["OK"]
            self.expect("major faults: at most one in a hundred answers", faults * 100 <= answered,
                        f"{faults} of {answered}")

    def quiet_sums(self):
        """The metrics once nothing moves any more."""
        last = None
        for _ in range(100):
            sums = self.server.sums_of_metrics()
            if sums == last and sums[0] == sum(sums[1].values()):
                return sums
            last = sums
            time.sleep(0.1)
        return last


def main():
    if sys.argv[1:2] == ["--killer"]:
        port, kills, seconds, seed, *models = sys.argv[2:]
        return kill_clients((int(port), int(kills), float(seconds), int(seed), models))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--drains", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120, help="over which the faults are spread")
    parser.add_argument("--seconds-max", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crowd", type=int, default=0, help="models of 8 MiB that do not all fit")
    parser.add_argument("--share", type=float, default=0.4, help="of the crowd that the memory budget holds")
    parser.add_argument("--cgroup", action="store_true", help="run the server in a memory cgroup of its own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # Its server ends with it.
    with tempfile.TemporaryDirectory() as folder:
        chaos = Chaos(parser.parse_args(), folder)
        try:
            chaos.run()
        finally:
            if chaos.server.process and chaos.server.process.poll() is None:
                chaos.server.process.kill()
                chaos.server.process.wait()
            if chaos.server.group:
                chaos.server.group.end()
        sys.exit(1 if chaos.problems else 0)


if __name__ == "__main__":
    main()
