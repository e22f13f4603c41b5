"""The front door while it runs: settings that are read again, a log that clients cannot fill, and limits of the system."""

import ctypes
import json
import os
import pathlib
import resource
import shutil
import signal
import time
import urllib.error
import urllib.request

import grpc
import pytest

import harness

COTENANT = os.environ.get("COTENANT", str(harness.PROJECT / "build/cotenant"))
PATIENCE_SECONDS = 30


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    for name in ("add", "bad_content"):
        shutil.copytree(harness.PROJECT / "tests/models" / name, folder / name)
    return folder


class Running:
    def __init__(self, repository, *flags, enter=None):
        self.server = harness.Server([COTENANT, "serve"], repository, f"--state-dir={repository.parent}",
                                     "--cache-dir=none", *flags, enter=enter)
        try:
            self.server.wait()
        except BaseException:
            self.server.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def log(self):
        return pathlib.Path(self.server.log.name).read_text()

    def ask(self, path, body=None, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.http}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def tenants(self):
        return [tenant["name"] for tenant in json.loads(self.ask("/cotenant/v1/tenants")[1])["tenants"]]

    def reload(self, *lines):
        """Asks for a reload, and waits until the log has all of the lines since then."""
        before = len(self.log())
        self.server.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + PATIENCE_SECONDS
        while not all(line in self.log()[before:] for line in lines):
            assert time.monotonic() < until, self.log()[before:]
            time.sleep(0.01)


def test_settings_read_again_are_checked_whole(repository):
    settings = repository / "cotenant.toml"
    with Running(repository) as running:
        assert running.tenants() == ["default"]
        settings.write_text("[[tenants]]\nname = 'shop'\n[[tenants]]\nname = 'camera'\n")
        running.reload("reading the configuration and the models again")
        until = time.monotonic() + PATIENCE_SECONDS
        while running.tenants() != ["default", "shop", "camera"]:
            assert time.monotonic() < until, running.log()

        settings.write_text("[server]\nhttp-port = 'abc'\nslots = -1\n[[tenants]]\nname = 'other'\n")
        running.reload(f"{settings}:2:13: 'http-port': expected a whole number from 0 to 65535, got 'abc'",
                       f"{settings}:3:9: 'slots': expected a whole number from 0 to 1024, got '-1'",
                       "the settings in force stay")
        assert running.tenants() == ["default", "shop", "camera"]

        settings.write_text("[server]\nslots = 3\n[[tenants]]\nname = 'shop'\n")
        running.reload(f"{settings}: [server] changed: 'slots'; that counts from the next start on",
                       "no longer declared: tenant 'camera'; requests that name it are refused")
        assert running.tenants() == ["default", "shop"]
        status, text = running.ask("/v2/models/add/infer", b'{"inputs":[]}', **{"X-Tenant": "camera"})
        assert (status, json.loads(text)["error"]) == (400, "the tenant 'camera' is not declared")


@pytest.mark.parametrize("flags", [(), ("--model-control-mode=poll", "--repository-poll-secs=1")])
def test_what_a_models_folder_says_of_it_counts_when_it_appears(repository, flags):
    index = {"inputs": [{"name": "index", "datatype": "INT64", "shape": [1, 1], "data": [2]}]}
    with Running(repository, *flags) as running:
        def answer():
            return running.ask("/v2/models/bad_content/infer", json.dumps(index).encode(), **{"X-Accuracy-Bound": "90"})

        assert answer()[0] == 400
        (repository / "bad_content/cotenant.toml").write_text("accuracy = 91.2\n")
        if not flags:
            running.reload()
        until = time.monotonic() + PATIENCE_SECONDS
        while answer()[0] != 200:
            assert time.monotonic() < until, (answer(), running.log())


def test_requests_that_a_network_refuses_do_not_fill_the_log(repository):
    index = {"inputs": [{"name": "index", "datatype": "INT64", "shape": [1, 1], "data": [9]}]}
    with Running(repository) as running:
        before = len(running.log())
        for _ in range(200):
            assert running.ask("/v2/models/bad_content/infer", json.dumps(index).encode())[0] == 400
        lines = [line for line in running.log()[before:].splitlines() if line]
        assert 1 <= len(lines) <= 10, lines[:20]
        assert all("model 'bad_content': " in line for line in lines), lines
        assert "more of it within a minute is left out" in lines[-1]


def test_messages_that_are_none_do_not_fill_the_log(repository):
    with Running(repository) as running, grpc.insecure_channel(f"127.0.0.1:{running.server.grpc}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        before = len(running.log())
        for _ in range(100):
            with pytest.raises(grpc.RpcError):
                call(b"\x0a\x02\xff\xff", timeout=20)
        lines = running.log()[before:].splitlines()
        assert 1 <= len(lines) <= 10 and "invalid UTF-8" in lines[0], lines
        # Through our log, with a time, and not beside it.
        assert all(line[:4].isdigit() for line in lines), lines


def test_connections_follow_the_limit_of_open_files(repository):
    def few_files():
        # Root could raise the limit.
        ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))

    with Running(repository, enter=few_files) as running:
        assert ("the limit of open files is 600, so at most 258 HTTP connections are taken instead of 12000, and 86 "
                "of gRPC instead of 1000: raise it (ulimit -Hn 13256)") in running.log()

    def many_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 20000))

    with Running(repository, enter=many_files) as running:
        assert "open files" not in running.log()
        assert resource.prlimit(running.server.process.pid, resource.RLIMIT_NOFILE)[0] >= 13256
