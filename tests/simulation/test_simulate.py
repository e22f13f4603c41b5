"""`cotenant simulate`: every scenario keeps the rules under many seeds, decides alike whatever built the program, and
replays from its log. COTENANT_RECORD=1 writes the digests anew, after a change of decisions that was meant."""

import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COTENANT = os.environ.get("COTENANT", str(ROOT / "build/cotenant"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))
DIGESTS = pathlib.Path(__file__).with_name("digests.json")
# Seeds that once found a bug, by scenario: played each time beside the first ones.
FOUND = json.loads(pathlib.Path(__file__).with_name("found_seeds.json").read_text())
SEEDS = int(os.environ.get("COTENANT_SEEDS", "50"))
POLICIES = [("fifo", "window", "all"), ("weighted-fair", "none", "feasible"), ("least-slack", "deadline-aware", "feasible"),
            ("shortest-first", "window", "feasible")]


def simulate(*arguments):
    return subprocess.run([COTENANT, "simulate", *map(str, arguments)], capture_output=True, text=True, timeout=600)


def simulated(tmp_path, *arguments):
    outcome = simulate(*arguments, "--json", tmp_path / "result.json")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return json.loads((tmp_path / "result.json").read_text())


def test_there_is_a_dozen_of_scenarios():
    assert len(SCENARIOS) >= 12 and ROOT / "scenarios/overload.toml" in SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_no_seed_breaks_a_rule(scenario, tmp_path):
    result = simulated(tmp_path, scenario, f"--seeds=1..{SEEDS}")
    assert result["seeds"] == SEEDS and result["broken"] == []
    assert result["requests"] <= SEEDS * 10_000
    for seed in FOUND.get(scenario.stem, []):
        assert simulate(scenario, f"--seeds={seed}..{seed}").returncode == 0, f"seed {seed}"


@pytest.mark.parametrize("dispatch,batching,admission", POLICIES, ids="-".join)
def test_no_policy_breaks_a_rule(dispatch, batching, admission, tmp_path):
    for scenario in SCENARIOS:
        result = simulated(tmp_path, scenario, "--seeds=1..5", f"--policy=dispatch={dispatch}",
                           f"--policy=batching={batching}", f"--policy=admission={admission}")
        assert result["broken"] == [], scenario


@pytest.mark.parametrize("residency", ["marginal-value", "none", "smallest-static", "lru", "lfe", "bfe", "ws-bfe",
                                       "iws-bfe", "greedy-dual"])
def test_no_residency_policy_breaks_a_rule(residency, tmp_path):
    for name in ["crowded", "too-small", "variants", "pressed"]:
        result = simulated(tmp_path, ROOT / f"scenarios/{name}.toml", "--seeds=1..5", f"--policy=residency={residency}")
        assert result["broken"] == [], name


def test_little_memory_is_told_in_the_result(tmp_path):
    result = simulated(tmp_path, ROOT / "scenarios/crowded.toml", "--seed=7")
    memory = result["memory"]
    assert memory["limit_bytes"] == 183 << 20 and memory["loads_failed"] == 0
    assert memory["loads"] > memory["evictions"] > 100 and memory["load_time_ns"] > 0
    assert 0 < result["all"]["cold_starts"] < result["all"]["requests"] / 2
    assert sum(tenant["cold_starts"] for tenant in result["tenants"]) == result["all"]["cold_starts"]


def test_variants_save_cold_starts_and_the_result_says_what_they_cost(tmp_path):
    result = simulated(tmp_path, ROOT / "scenarios/variants.toml", "--seed=7")
    best = simulated(tmp_path, ROOT / "scenarios/crowded.toml", "--seed=7")
    assert result["all"]["cold_starts"] < best["all"]["cold_starts"] / 2
    answered = {row["variant"]: row["replied"] for row in result["all"]["answered_by"]}
    assert sum(answered.values()) == result["all"]["replied"]
    assert 0 < result["all"]["points_lost_mean"] <= 1
    for tenant in result["tenants"]:
        floors = {"ocrs": {"ocr:default", "ocr:int8"}, "faces": {"face:default", "face:int8"}}
        used = {row["variant"] for row in tenant.get("answered_by", [])}
        assert used <= floors.get(tenant["name"], used)


def test_decisions_are_the_same_whatever_built_the_program(tmp_path):
    digests = {}
    for scenario in SCENARIOS:
        outcome = simulate(scenario, "--seed=7", "--json", tmp_path / "result.json")
        assert outcome.returncode in (0, 1) and "BROKEN" not in outcome.stdout, outcome.stdout + outcome.stderr
        digests[scenario.stem] = json.loads((tmp_path / "result.json").read_text())["simulated"]["digest"]
    if os.environ.get("COTENANT_RECORD"):
        DIGESTS.write_text(json.dumps(digests, indent=1) + "\n")
    assert digests == json.loads(DIGESTS.read_text())


def test_expectations_of_the_scenarios_hold():
    for scenario in SCENARIOS:
        outcome = simulate(scenario, "--seed=7")
        assert outcome.returncode == 0, outcome.stdout


def test_overload_is_met_better_by_deadlines_than_by_arrival(tmp_path):
    scenario = ROOT / "scenarios/overload.toml"
    best = simulated(tmp_path, scenario, "--seeds=1..20")["bounds_met_percent"]
    plain = simulated(tmp_path, scenario, "--seeds=1..20", "--policy=dispatch=fifo",
                      "--policy=batching=window")["bounds_met_percent"]
    assert best["least"] > plain["most"], (best, plain)


def test_an_expectation_that_does_not_hold_decides_the_exit_status(tmp_path):
    text = (ROOT / "scenarios/mix.toml").read_text()
    (tmp_path / "mix.toml").write_text(text + "\n[[expect]]\nreplied_max = 1\n")
    outcome = simulate(tmp_path / "mix.toml")
    assert outcome.returncode == 1 and "NOT held: replied_max = 1" in outcome.stdout


@pytest.mark.parametrize("name", ["overload", "reload", "vanishing", "mix", "crowded", "too-small", "variants", "pressed"])
def test_a_recorded_run_replays_byte_for_byte(name, tmp_path):
    log = tmp_path / "run.log"
    assert simulate(ROOT / f"scenarios/{name}.toml", "--record", log).returncode == 0
    outcome = simulate("--replay", log, "--json", tmp_path / "replay.json")
    assert outcome.returncode == 0 and "byte for byte" in outcome.stdout, outcome.stdout + outcome.stderr
    replay = json.loads((tmp_path / "replay.json").read_text())
    assert replay["equal"] and replay["arrivals"] > 500 and replay["gaps"] == 0


@pytest.mark.parametrize("name", ["overload", "mix"])
def test_a_recorded_load_is_played_again_under_another_policy(name, tmp_path):
    scenario, log = ROOT / f"scenarios/{name}.toml", tmp_path / "run.log"
    first = simulated(tmp_path, scenario, "--record", log, "--policy=dispatch=edf")
    words = ["trace", log, "--output", tmp_path / "load.csv", "--scenario", tmp_path / "load.toml", "--json",
             tmp_path / "trace.json", "--decisions", tmp_path / "decisions.csv"]
    outcome = subprocess.run([COTENANT, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["arrivals"] == first["all"]["requests"] > 1_000
    again = simulated(tmp_path, tmp_path / "load.toml")
    fifo = simulated(tmp_path, tmp_path / "load.toml", "--policy=dispatch=fifo")
    for result in (again, fifo):
        for group in ("tenants", "models"):
            wanted = {row["name"]: row["requests"] for row in first[group] if row["requests"]}
            assert {row["name"]: row["requests"] for row in result[group] if row["requests"]} == wanted
    assert again["simulated"]["digest"] != fifo["simulated"]["digest"]
    # What was played again was recorded once more: the same arrivals.
    assert simulate(tmp_path / "load.toml", "--record", tmp_path / "again.log").returncode in (0, 1)
    words = ["trace", tmp_path / "again.log", "--output", tmp_path / "again.csv"]
    assert subprocess.run([COTENANT, *map(str, words)], stdout=subprocess.DEVNULL, timeout=60).returncode == 0
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "load.csv").read_text()
    kinds = {line.split(",")[0] for line in (tmp_path / "decisions.csv").read_text().splitlines()}
    assert kinds >= {"arrived", "run", "finished", "ended"}


def test_a_log_that_was_changed_does_not_replay(tmp_path):
    log = tmp_path / "run.log"
    assert simulate(ROOT / "scenarios/mix.toml", "--record", log, "--seconds=2").returncode == 0
    data = bytearray(log.read_bytes())
    # Some bytes decide nothing, such as when a reply was written; of fifty, some decide.
    for place in range(50):
        data[len(data) // 2 + 101 * place] ^= 0xff
    log.write_bytes(data)
    outcome = simulate("--replay", log)
    assert outcome.returncode in (1, 2), outcome.stdout + outcome.stderr
    log.write_bytes(b"no log at all")
    outcome = simulate("--replay", log)
    assert outcome.returncode == 2 and "run.log" in outcome.stderr


WRONG = [
    (["nowhere.toml"], r"nowhere\.toml"),
    ([], r"give one scenario"),
    (["SCENARIO", "--seeds=9..1"], r"--seeds.*expected two seeds"),
    (["SCENARIO", "--seeds=x"], r"--seeds.*expected two seeds"),
    (["SCENARIO", "--policy=dispatch=edv"], r"'?edv'?.*edf"),
    (["SCENARIO", "--policy=order=edf"], r"expected dispatch=NAME, batching=NAME, admission=NAME, residency=NAME or prediction=NAME"),
    (["SCENARIO", "--sed=1"], r"--sed.*--seed"),
    (["SCENARIO", "--replay=x"], r"not both"),
    (["SCENARIO", "--seeds=1..2", "--record=x"], r"--record takes one seed"),
]


@pytest.mark.parametrize("arguments,expected", WRONG, ids=lambda value: str(value)[:40])
def test_wrong_use_is_answered_by_name(arguments, expected):
    outcome = simulate(*[str(SCENARIOS[0]) if word == "SCENARIO" else word for word in arguments])
    assert outcome.returncode == 2 and outcome.stdout == ""
    assert re.search(expected, outcome.stderr), outcome.stderr
