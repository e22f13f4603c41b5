"""Starts a server, puts the cases to it and brings its answers into a form that can be compared and kept."""

import atexit
import gzip
import json
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

import grpc
from google.protobuf import json_format
from tritonclient.grpc import service_pb2, service_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
DEPS = pathlib.Path(os.environ.get("COTENANT_DEPS", PROJECT / ".deps"))
sys.path.insert(0, str(HERE / "models"))
# Not the profiles of whoever runs the tests.
STATE = tempfile.TemporaryDirectory(prefix="cotenant-state-")
os.environ["XDG_STATE_HOME"] = STATE.name
START_SECONDS_MAX = 300
ANSWER_SECONDS_MAX = 20


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """One process that serves a repository on three free ports of this machine."""

    def __init__(self, command, repository, *flags, enter=None):
        """`enter` is called in the new process before the program begins."""
        self.http, self.grpc, self.metrics = free_ports(3)
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log", delete=False)
        self.process = subprocess.Popen(
            [*command, f"--model-repository={repository}", f"--http-port={self.http}", f"--grpc-port={self.grpc}",
             f"--metrics-port={self.metrics}", *flags], stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True, preexec_fn=enter)
        # A fixture that fails before it can stop its server leaves none behind.
        atexit.register(self.stop)

    def wait(self):
        started = time.monotonic()
        while time.monotonic() - started < START_SECONDS_MAX:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                url = f"http://127.0.0.1:{self.http}/v2/health/ready"
                with urllib.request.urlopen(url, timeout=2) as reply:
                    if reply.status == 200:
                        return self
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the server was not ready after {START_SECONDS_MAX} s:\n{self.log_text()}")

    def log_text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")[-4000:]

    def stop(self):
        atexit.unregister(self.stop)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        try:
            # A tritonserver that died leaves its backend's processes.
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.log.close()
        os.unlink(self.log.name)


# ---- HTTP ------------------------------------------------------------------------------------------------------


def request_bytes(case):
    """The case's request as it goes over the wire."""
    if "raw" in case:
        return case["raw"]
    headers = {"Host": "localhost"} | case.get("headers", {})
    body = case.get("body", b"")
    if case.get("chunks"):
        headers["Transfer-Encoding"] = "chunked"
        size = case["chunks"]
        pieces = [body[i:i + size] for i in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif body or case["method"] == "POST":
        headers.setdefault("Content-Length", str(len(body)))
    lines = [f"{case['method']} {case['path']} {case.get('version', 'HTTP/1.1')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS_MAX)
        self.buffer = b""

    def fill(self):
        piece = self.socket.recv(65536)
        self.buffer += piece
        return bool(piece)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError("the server closed the connection")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def exactly(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError("the server closed the connection within a body")
        piece, self.buffer = self.buffer[:count], self.buffer[count:]
        return piece

    def answer(self, method):
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = b""
        if method == "HEAD" or status == 100:
            pass
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                self.exactly(2)
            self.until(b"\r\n")
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        else:
            while self.fill():
                pass
            body, self.buffer = self.buffer, b""
        return status, headers, body


def normal_http(status, headers, body):
    encoding = headers.get("content-encoding")
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "deflate":
        body = zlib.decompress(body)
    content_type = headers.get("content-type", "").replace("; ", ";").lower() or None
    answer = {"status": status, "content type": content_type, "encoding": encoding}
    length = headers.get("inference-header-content-length")
    if length is not None and status == 200:
        answer["body"] = {"header": json.loads(body[:int(length)]), "binary": body[int(length):].hex()}
    elif not body:
        answer["body"] = "empty"
    else:
        try:
            answer["body"] = {"json": json.loads(body)}
        except ValueError:
            answer["body"] = {"text": body.decode("utf-8", "backslashreplace")}
    return answer


def ask_http(server, case):
    connection = Connection(server.metrics if case.get("port") == "metrics" else server.http)
    answers = []
    try:
        data = request_bytes(case)
        if case.get("pipelined"):
            connection.socket.sendall(data * case["times"])
        for _ in range(case.get("times", 1)):
            if case.get("expect"):
                head, body = data.split(b"\r\n\r\n", 1)
                connection.socket.sendall(head + b"\r\n\r\n")
                answers.append(normal_http(*connection.answer("HEAD")))
                connection.socket.sendall(body)
            elif not case.get("pipelined"):
                connection.socket.sendall(data)
            answers.append(normal_http(*connection.answer(case.get("method", "GET"))))
    except (EOFError, ConnectionError) as error:
        answers.append({"closed": str(error) if isinstance(error, EOFError) else "the connection was reset"})
    except TimeoutError:
        answers.append({"closed": "no answer"})
    finally:
        connection.socket.close()
    return answers[0] if len(answers) == 1 else {"answers": answers}


# ---- gRPC ------------------------------------------------------------------------------------------------------


def message_for(call, fields):
    kind = {"ModelStreamInfer": "ModelInfer"}.get(call, call)
    return json_format.ParseDict(fields, getattr(service_pb2, kind + "Request")())


def normal_message(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def ask_grpc(server, case):
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}", options=options) as channel:
        if case["call"].startswith("/"):
            call = channel.unary_unary(case["call"], request_serializer=bytes, response_deserializer=bytes)
            request = case["fields"]
        else:
            call = getattr(service_pb2_grpc.GRPCInferenceServiceStub(channel), case["call"])
            request = None
        try:
            if case["call"] == "ModelStreamInfer":
                requests = [message_for(case["call"], fields) for fields in case["stream"]]
                replies = call(iter(requests), timeout=ANSWER_SECONDS_MAX)
                messages = [normal_message(reply) for reply in replies]
                return {"code": "OK", "stream": messages}
            if request is not None:
                return {"code": "OK", "bytes": call(request, timeout=ANSWER_SECONDS_MAX).hex()}
            reply = call(message_for(case["call"], case["fields"]), timeout=ANSWER_SECONDS_MAX,
                         metadata=case.get("metadata"))
            return {"code": "OK", "message": normal_message(reply)}
        except grpc.RpcError as error:
            return {"code": error.code().name, "text": error.details()}


def ask(server, case):
    return ask_grpc(server, case) if case["protocol"] == "grpc" else ask_http(server, case)


# ---- comparing -------------------------------------------------------------------------------------------------

# The texts that clients of the field know by heart: where Triton says one of these, so do we.
QUOTED = [
    r"inference input '.*' data-type is '.*', but model '.*' expects '.*'",
    r"Request for unknown model: '.*' has no available versions",
    r"Request for unknown model: '.*' version \S+ is not found",
    r"Request for unknown model: '.*' is not found",
    r"failed to load '.*', failed to poll from model repository",
    r"Request timeout expired",
]


def masked(value, masks, path=""):
    """Replaces what differs by nature. A mask is a dotted path, where * is any key or index."""
    if any(re.fullmatch(mask.replace(".", r"\.").replace("*", r"[^.]+"), path) for mask in masks):
        return "masked"
    if isinstance(value, dict):
        return {key: masked(inner, masks, f"{path}.{key}".lstrip(".")) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, masks, f"{path}.{i}".lstrip(".")) for i, inner in enumerate(value)]
    return value


def alike(a, b):
    """Equal up to the order of keys and the way floats are written."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12) or (a != a and b != b)
    return type(a) is type(b) and a == b


def error_text(answer):
    """The message of an answer that is an error in the field's form, else None."""
    if "code" in answer:
        return answer.get("text")
    body = answer.get("body")
    if answer.get("status", 0) >= 400 and isinstance(body, dict):
        if isinstance(body.get("json"), dict) and list(body["json"]) == ["error"]:
            return body["json"]["error"]
    return None


def differences(case, theirs, ours):
    """What differs between two answers to a case, as {aspect: (theirs, ours)}."""
    if "answers" in theirs or "answers" in ours:
        found = {}
        pairs = (theirs.get("answers", [theirs]), ours.get("answers", [ours]))
        if len(pairs[0]) != len(pairs[1]):
            return {"number of answers": (len(pairs[0]), len(pairs[1]))}
        for one, other in zip(*pairs):
            found |= differences(case, one, other)
        return found
    found = {}
    for aspect in ("closed", "status", "code", "content type", "encoding"):
        if theirs.get(aspect) != ours.get(aspect):
            found[aspect] = (theirs.get(aspect), ours.get(aspect))
    texts = error_text(theirs), error_text(ours)
    if None not in texts:
        if any(re.search(quoted, texts[0]) for quoted in QUOTED) and texts[0] != texts[1]:
            found["text"] = texts
        elif texts[0] and not texts[1]:
            found["text"] = texts
        return found
    for part in ("body", "message", "stream", "bytes"):
        # Theirs was reduced when it was recorded.
        pair = (theirs.get(part), compared(ours.get(part), case))
        if not alike(*pair):
            found["body"] = pair
    return found


def compared(value, case):
    """The part of a body that a case compares: without what is masked, and where the case names members, only those."""
    steps = case.get("inside", [])
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return value
        value = value[step]
    if "only" in case and isinstance(value, dict):
        value = {key: value[key] for key in case["only"] if key in value}
    return masked(value, case.get("masks", []))


def start(which, group, repositories):
    """Starts `triton` or `cotenant` as a group of cases wants it."""
    flags = ["--model-control-mode=none"]
    if group == "control":
        flags = ["--model-control-mode=explicit", "--load-model=first"]
    if which == "triton":
        command = [str(DEPS / "triton/run")]
        flags += ["--allow-gpu-metrics=false", "--log-info=false"]
    else:
        command = [os.environ.get("COTENANT", str(PROJECT / "build/cotenant")), "serve"]
    server = Server(command, repositories / which / group, *flags)
    try:
        return server.wait()
    except RuntimeError:
        server.stop()
        raise
