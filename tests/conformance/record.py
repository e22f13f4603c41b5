#!/usr/bin/env python3
"""Puts every case to a real tritonserver and keeps its answers, with its version, in recorded/.

`make conformance-record` sets it up and runs this. The answers hold nothing of this machine: what would is masked.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

import harness
from cases import CASES
from make_models import make_repositories


def version_of(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/v2") as reply:
        facts = json.load(reply)
    return f"{facts['name']}server {facts['version']}"


def without_places(value, folders):
    """Paths of this run, and of where ONNX Runtime was built, become words."""
    if isinstance(value, dict):
        return {key: without_places(inner, folders) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_places(inner, folders) for inner in value]
    if isinstance(value, str):
        for folder, word in folders:
            value = value.replace(str(folder), word)
        return re.sub(r"/onnxruntime_src/\S+", "PATH", value)
    return value


def kept(case, answer, folders):
    """The answer as it is stored: what is masked when compared is not kept at all, nor what no case looks at."""
    if "answers" in answer:
        return {"answers": [kept(case, inner, folders) for inner in answer["answers"]]}
    for part in ("body", "message"):
        if part in answer:
            answer[part] = harness.compared(answer[part], case)
    return without_places(answer, folders)


def record(group, repositories, folders):
    """The answers to a group's cases. A case that ends the server is noted as such, and a new server goes on."""
    server, answers = harness.start("triton", group, repositories), {}
    try:
        version = version_of(server)
        for case in (case for case in CASES if case["group"] == group):
            answer = harness.ask(server, case)
            if ("closed" in answer or answer.get("code") == "UNAVAILABLE") and ended(server):
                if group == "control":
                    sys.exit(f"tritonserver ended at '{case['name']}':\n{server.log_text()}")
                answer = {"closed": "the server ended"}
                server.stop()
                server = harness.start("triton", group, repositories)
            answers[case["name"]] = kept(case, answer, folders)
    finally:
        server.stop()
    return {"server": version, "answers": answers}


def ended(server):
    try:
        server.process.wait(5)
        return True
    except subprocess.TimeoutExpired:
        return False


def main():
    with tempfile.TemporaryDirectory() as folder:
        repositories = pathlib.Path(folder)
        make_repositories(repositories)
        folders = [(repositories / "triton" / group, "REPOSITORY") for group in ("serve", "control")]
        folders += [(harness.DEPS, "DEPS"), (harness.PROJECT, "PROJECT")]
        for group in ("serve", "control"):
            recorded = record(group, repositories, folders)
            text = json.dumps(recorded, indent=1) + "\n"
            for place in (folder, str(harness.DEPS), str(harness.PROJECT)):
                if place in text:
                    sys.exit(f"an answer names {place}")
            (harness.HERE / "recorded" / f"{group}.json").write_text(text)
            print(f"{group}: {len(recorded['answers'])} answers of {recorded['server']} recorded")


if __name__ == "__main__":
    main()
