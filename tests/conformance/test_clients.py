"""The field's own clients work as they are: tritonclient over HTTP, gRPC, asyncio and streams, and perf_analyzer."""

import asyncio
import queue
import subprocess

import numpy
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

import harness
from make_models import make_repositories

A = numpy.array([1, 2, 3, 4], dtype="int32")
B = numpy.array([10, 20, 30, 40], dtype="int32")
PERF_ANALYZER = harness.DEPS / "perf_analyzer/run"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    make_repositories(folder)
    server = harness.start("cotenant", "serve", folder)
    yield server
    server.stop()


def inputs_for(client, binary=None):
    entries = []
    for name, array in (("A", A), ("B", B)):
        entry = client.InferInput(name, list(array.shape), "INT32")
        entry.set_data_from_numpy(array, **({} if binary is None else {"binary_data": binary}))
        entries.append(entry)
    return entries


@pytest.mark.parametrize("binary", [True, False])
def test_http_client(server, binary):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("add")
        assert client.get_server_metadata()["name"]
        assert client.get_model_metadata("add")["inputs"][0]["name"] == "A"
        assert client.get_model_config("add")["name"] == "add"
        assert {row["name"] for row in client.get_model_repository_index()} >= {"add", "classify"}
        outputs = [tritonclient.http.InferRequestedOutput("SUM", binary_data=binary)]
        result = client.infer("add", inputs_for(tritonclient.http, binary), outputs=outputs, request_id="7")
        assert result.get_response()["id"] == "7"
        assert (result.as_numpy("SUM") == A + B).all()
        assert client.get_inference_statistics("add")["model_stats"][0]["inference_count"] >= 1


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_http_client_compressed(server, algorithm):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        result = client.infer("add", inputs_for(tritonclient.http), request_compression_algorithm=algorithm,
                              response_compression_algorithm=algorithm)
        assert (result.as_numpy("DIFFERENCE") == A - B).all()


def test_http_client_at_once(server):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http}", concurrency=8) as client:
        waiting = [client.async_infer("add", inputs_for(tritonclient.http)) for _ in range(100)]
        assert all((reply.get_result().as_numpy("SUM") == A + B).all() for reply in waiting)


def test_http_client_text_and_classes(server):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        text = numpy.array([b"one", b"\xff two"], dtype=object)
        entry = tritonclient.http.InferInput("X", [2], "BYTES")
        entry.set_data_from_numpy(text)
        assert (client.infer("identity_bytes", [entry]).as_numpy("Y") == text).all()
        entry = tritonclient.http.InferInput("X", [1, 4], "FP32")
        entry.set_data_from_numpy(numpy.array([[0, 3, 1, 2]], dtype="float32"))
        outputs = [tritonclient.http.InferRequestedOutput("SCORES", class_count=2)]
        assert client.infer("classify", [entry], outputs=outputs).as_numpy("SCORES")[0][0] == b"3.000000:1:dog"


def test_http_client_error(server):
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        with pytest.raises(InferenceServerException, match="is not found"):
            client.infer("nope", inputs_for(tritonclient.http))


def test_http_asyncio_client(server):
    async def ask():
        async with tritonclient.http.aio.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
            inputs = inputs_for(tritonclient.http)
            return await asyncio.gather(*(client.infer("add", inputs) for _ in range(50)))
    assert all((result.as_numpy("SUM") == A + B).all() for result in asyncio.run(ask()))


def test_grpc_client(server):
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("add")
        assert client.get_model_metadata("add").inputs[0].name == "A"
        assert client.get_model_config("add").config.name == "add"
        assert len(client.get_model_repository_index().models) > 5
        result = client.infer("add", inputs_for(tritonclient.grpc), request_id="7")
        assert result.get_response().id == "7"
        assert (result.as_numpy("SUM") == A + B).all()
        assert client.get_inference_statistics("add").model_stats[0].inference_count >= 1
        with pytest.raises(InferenceServerException, match="is not found"):
            client.infer("nope", inputs_for(tritonclient.grpc))


def test_grpc_client_with_a_deadline_and_compression(server):
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        result = client.infer("add", inputs_for(tritonclient.grpc), client_timeout=10, compression_algorithm="gzip")
        assert (result.as_numpy("SUM") == A + B).all()


def test_grpc_client_at_once(server):
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        replies = queue.Queue()
        for _ in range(100):
            client.async_infer("add", inputs_for(tritonclient.grpc),
                               callback=lambda result, error: replies.put((result, error)))
        for _ in range(100):
            result, error = replies.get(timeout=20)
            assert error is None and (result.as_numpy("SUM") == A + B).all()


def test_grpc_stream(server):
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        replies = queue.Queue()
        client.start_stream(callback=lambda result, error: replies.put((result, error)))
        for number in range(50):
            client.async_stream_infer("add", inputs_for(tritonclient.grpc), request_id=str(number))
        found = [replies.get(timeout=20) for _ in range(50)]
        client.stop_stream()
    assert all(error is None for _, error in found)
    assert sorted(int(result.get_response().id) for result, _ in found) == list(range(50))


def test_grpc_asyncio_client_and_stream(server):
    async def ask():
        async with tritonclient.grpc.aio.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
            inputs = inputs_for(tritonclient.grpc)
            single = await asyncio.gather(*(client.infer("add", inputs) for _ in range(50)))

            async def requests():
                for number in range(20):
                    yield {"model_name": "add", "inputs": inputs, "request_id": str(number)}

            streamed = [pair async for pair in client.stream_infer(requests())]
            return single, streamed
    single, streamed = asyncio.run(ask())
    assert all((result.as_numpy("SUM") == A + B).all() for result in single)
    assert len(streamed) == 20 and all(error is None for _, error in streamed)


@pytest.mark.skipif(not PERF_ANALYZER.exists(), reason="perf_analyzer is not set up (tools/setup perf-analyzer)")
@pytest.mark.parametrize("flags", [
    ["-i", "http", "--concurrency-range=4"],
    ["-i", "http", "--concurrency-range=2", "-b", "4"],
    ["-i", "http", "--request-rate-range=50"],
    ["-i", "grpc", "--concurrency-range=4", "-b", "2"],
    ["-i", "grpc", "--concurrency-range=2", "--streaming"],
    ["-i", "grpc", "--request-rate-range=50", "--request-parameter", "latency_bound_ms:10000:int"],
], ids=" ".join)
def test_perf_analyzer(server, flags):
    port = server.http if flags[1] == "http" else server.grpc
    outcome = subprocess.run(
        [str(PERF_ANALYZER), "-m", "batch_add", "-u", f"127.0.0.1:{port}", "--measurement-mode=count_windows",
         "--measurement-request-count=50", "--max-trials=3", "--stability-percentage=999", *flags],
        capture_output=True, text=True, timeout=120)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "Throughput" in outcome.stdout and "Inference count" in outcome.stdout, outcome.stdout
