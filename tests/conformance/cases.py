"""The cases: what is asked of both servers. A case is a dict; see `http` and `call` for its members.

Groups: `serve` (every model loaded, each case on its own; those of `counted` in this order) and `control` (explicit model
control, in this order).
"""

import gzip
import json
import struct
import zlib

CASES = []
ZEROS = [0, 0, 0, 0]
ONES = [1, 2, 3, 4]


def http(name, method="GET", path="/", group="serve", **members):
    """`json` or `body` is the body; `headers`, `chunks` (their size), `times`, `pipelined`, `expect`, `raw`, `masks`,
    `only` and `inside` (which members are compared), `port`."""
    if "json" in members:
        members["body"] = json.dumps(members.pop("json")).encode()
    add_case(name, protocol="http", method=method, path=path, group=group, **members)


def call(name, rpc, fields=None, group="serve", **members):
    add_case("grpc " + name, protocol="grpc", call=rpc, fields={} if fields is None else fields, group=group, **members)


def add_case(name, **members):
    assert all(case["name"] != name for case in CASES), name
    CASES.append({"name": name} | members)


def tensor(name, datatype, shape, data=None, **parameters):
    entry = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        entry["data"] = data
    return entry | ({"parameters": parameters} if parameters else {})


def pair(shape=(4,), a=ONES, b=ZEROS):
    return [tensor("A", "INT32", list(shape), a), tensor("B", "INT32", list(shape), b)]


def infer(name, model, inputs=None, suffix="", **members):
    """JSON inference. Members of the request: id, parameters, outputs; the rest are the case's."""
    request = {} if inputs is None else {"inputs": inputs}
    for key in ("id", "parameters", "outputs"):
        if key in members:
            request[key] = members.pop(key)
    http("infer " + name, "POST", f"/v2/models/{model}{suffix}/infer", json=request, **members)


def binary(name, model, header, tail, length=None, **members):
    """Inference whose tensors follow the JSON."""
    head = json.dumps(header).encode() if header is not None else b""
    headers = {"Inference-Header-Content-Length": str(len(head) if length is None else length)}
    headers |= members.pop("headers", {})
    http("binary " + name, "POST", f"/v2/models/{model}/infer", body=head + tail, headers=headers, **members)


def int32(*values):
    return struct.pack(f"<{len(values)}i", *values)


def elements(*values):
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


# ---- health, metadata, configuration, index --------------------------------------------------------------------

for verb in ("GET", "HEAD", "POST"):
    http(f"live {verb}", verb, "/v2/health/live")
    http(f"ready {verb}", verb, "/v2/health/ready")
http("health of another name", path="/v2/health/nope")
http("server metadata", path="/v2", masks=["json.name", "json.version"])
http("server metadata POST", "POST", "/v2")
METADATA_MASKS = ["json.platform"]
for model in ("add", "batch_add", "classify", "two_versions", "matrix", "identity_bytes", "identity_fp16"):
    http(f"metadata {model}", path=f"/v2/models/{model}", masks=METADATA_MASKS)
    http(f"config {model}", path=f"/v2/models/{model}/config", inside=["json"],
         only=["name", "max_batch_size", "input", "output", "version_policy"])
http("metadata of a version", path="/v2/models/two_versions/versions/1", masks=METADATA_MASKS)
http("metadata of an unknown model", path="/v2/models/nope")
http("metadata of an unknown version", path="/v2/models/add/versions/9")
http("metadata POST", "POST", "/v2/models/add")
http("config of an unknown model", path="/v2/models/nope/config")
http("config of an unknown version", path="/v2/models/add/versions/9/config")
http("config POST", "POST", "/v2/models/add/config")
http("config of a batching model", path="/v2/models/batch_add/config", inside=["json", "dynamic_batching"])
http("model ready of a model", path="/v2/models/add/ready")
http("model ready of a version", path="/v2/models/two_versions/versions/3/ready")
http("model ready of an unknown model", path="/v2/models/nope/ready")
http("model ready of an unknown version", path="/v2/models/add/versions/9/ready")
http("model ready POST", "POST", "/v2/models/add/ready")
http("version that is no number", path="/v2/models/add/versions/x/ready")
for name, body in {"of all": b"{}", "without a body": b"", "of ready ones": b'{"ready":true}',
                   "bad json": b"{", "ready of another type": b'{"ready":3}'}.items():
    http(f"index {name}", "POST", "/v2/repository/index", body=body)
http("index GET", "GET", "/v2/repository/index")
for verb in ("load", "unload"):
    http(f"{verb} without explicit control", "POST", f"/v2/repository/models/add/{verb}", body=b"{}")
    http(f"{verb} GET", "GET", f"/v2/repository/models/add/{verb}")
for path in ("/foo", "/v2/foo", "/v2/models", "/v2/models/add/foo", "/v2/models/add/versions/1/foo", "/v2/repository",
             "/v2/models/add/infer/more", "//v2", "/v1/models"):
    http(f"unknown path {path}", path=path)
http("metrics", path="/metrics", port="metrics", masks=["text"])
http("metrics of another path", path="/nope", port="metrics")

# ---- statistics, in this order ---------------------------------------------------------------------------------

STATISTICS = ["json.model_stats.*.last_inference", "json.model_stats.*.inference_stats.*.ns",
              "json.model_stats.*.batch_stats.*.*.ns", "json.model_stats.*.memory_usage"]
http("statistics before", path="/v2/models/counted/stats", masks=STATISTICS)
for count in (1, 3):
    rows = [tensor("A", "INT32", [count, 4], ONES * count), tensor("B", "INT32", [count, 4], ZEROS * count)]
    infer(f"counted {count}", "counted", rows)
infer("counted, refused", "counted", rows[:1])
http("statistics after", path="/v2/models/counted/versions/1/stats", masks=STATISTICS)
call("statistics", "ModelStatistics", {"name": "counted"},
     masks=[mask.replace("json.", "") for mask in STATISTICS])
http("statistics of an unknown model", path="/v2/models/nope/stats")
http("statistics of an unknown version", path="/v2/models/counted/versions/9/stats")
http("statistics of all", path="/v2/models/stats", masks=["json.model_stats"])
http("statistics POST", "POST", "/v2/models/counted/stats")
call("statistics of an unknown model", "ModelStatistics", {"name": "nope"})

# ---- inference in JSON -----------------------------------------------------------------------------------------

infer("flat data", "add", pair())
infer("nested data", "batch_add", [tensor("A", "INT32", [2, 4], [ONES, ONES]),
                                   tensor("B", "INT32", [2, 4], [ZEROS, ONES])])
infer("inputs in another order", "add", pair()[::-1])
infer("id", "add", pair(), id="an id of my own")
infer("unknown parameters", "add", pair(), parameters={"nobody_knows": 3, "other": "text", "third": True, "d": 1.5})
infer("unknown tensor parameters", "add", [tensor("A", "INT32", [4], ONES, strange=1), pair()[1]])
infer("one output", "add", pair(), outputs=[{"name": "DIFFERENCE"}])
infer("outputs in another order", "add", pair(), outputs=[{"name": "DIFFERENCE"}, {"name": "SUM"}])
infer("an output twice", "add", pair(), outputs=[{"name": "SUM"}, {"name": "SUM"}])
infer("no outputs named", "add", pair(), outputs=[])
infer("version", "two_versions", [tensor("X", "FP32", [2], [1, 2.5])], suffix="/versions/1")
infer("highest version", "two_versions", [tensor("X", "FP32", [2], [1, 2.5])])
infer("full batch", "batch_add", pair((8, 4), ONES * 8, ZEROS * 8))
infer("priority", "batch_add", pair((1, 4)), parameters={"priority": 1})
infer("timeout", "batch_add", pair((1, 4)), parameters={"timeout": 1000000})
infer("timeout as text", "batch_add", pair((1, 4)), parameters={"timeout": "1000000"})
infer("sequence of a model without", "add", pair(), parameters={"sequence_id": 5, "sequence_start": True})
infer("two-dimensional", "matrix", [tensor("X", "FP32", [3, 2], [[1, 2], [3, 4], [5, 6]])])
infer("no elements", "identity_fp32", [tensor("X", "FP32", [0], [])])
infer("binary outputs for all", "add", pair(), parameters={"binary_data_output": True})
infer("one binary output", "add", pair(), outputs=[{"name": "SUM", "parameters": {"binary_data": True}},
                                                   {"name": "DIFFERENCE"}])
infer("binary but one", "add", pair(), parameters={"binary_data_output": True},
      outputs=[{"name": "SUM", "parameters": {"binary_data": False}}, {"name": "DIFFERENCE"}])
SAMPLES = {
    "BOOL": [True, False], "UINT8": [0, 255], "UINT16": [0, 65535], "UINT32": [0, 4294967295],
    "UINT64": [0, 18446744073709551615], "INT8": [-128, 127], "INT16": [-32768, 32767],
    "INT32": [-2147483648, 2147483647], "INT64": [-9223372036854775808, 9223372036854775807],
    "FP32": [0.1, -3.4028234e38], "FP64": [0.1, 1.7976931348623157e308], "BYTES": ["", "h\u00e9llo \"\\\n\t\u0001"],
}
for datatype, data in SAMPLES.items():
    infer(f"json {datatype}", f"identity_{datatype.lower()}", [tensor("X", datatype, [2], data)])
infer("json FP16", "identity_fp16", [tensor("X", "FP16", [2], [1.0, 2.0])])
infer("json FP16 output", "identity_fp16", [tensor("X", "FP16", [2], [1.0, 2.0])],
      parameters={"binary_data_output": True})

# What is wrong with a request.
infer("without inputs", "add")
infer("no inputs", "add", [])
infer("inputs of another type", "add", {"A": 1})
infer("an input of another type", "add", [3])
infer("an input missing", "add", pair()[:1])
infer("an input too many", "add", pair() + [tensor("C", "INT32", [4], ONES)])
infer("an input twice", "add", pair() + pair()[:1])
infer("an unknown input", "add", [pair()[0], tensor("C", "INT32", [4], ONES)])
infer("another datatype", "add", [tensor("A", "FP32", [4], ONES), pair()[1]])
infer("another datatype with id", "add", [tensor("A", "FP32", [4], ONES), pair()[1]], id="mine")
infer("unknown datatype", "add", [tensor("A", "FLOAT", [4], ONES), pair()[1]])
infer("another shape", "add", [tensor("A", "INT32", [3], [1, 2, 3]), pair()[1]])
infer("another rank", "add", [tensor("A", "INT32", [1, 4], ONES), pair()[1]])
infer("a batch without batching", "add", pair((1, 4)))
infer("no batch dimension", "batch_add", pair())
infer("batch too large", "batch_add", pair((9, 4), ONES * 9, ZEROS * 9))
infer("batch of none", "batch_add", pair((0, 4), [], []))
infer("batches that differ", "batch_add", [pair((1, 4))[0], tensor("B", "INT32", [2, 4], ZEROS * 2)])
infer("too few elements", "add", [tensor("A", "INT32", [4], [1, 2, 3]), pair()[1]])
infer("too many elements", "add", [tensor("A", "INT32", [4], ONES + [5]), pair()[1]])
infer("negative dimension", "identity_fp32", [tensor("X", "FP32", [-1], [1])])
infer("dimension that is no integer", "identity_fp32", [tensor("X", "FP32", [1.5], [1])])
infer("dimension that is text", "identity_fp32", [tensor("X", "FP32", ["1"], [1])])
infer("shape that is no list", "identity_fp32", [tensor("X", "FP32", 1, [1])])
infer("shape that overflows", "matrix", [tensor("X", "FP32", [4611686018427387904, 2], [1])])
infer("without name", "add", [{"datatype": "INT32", "shape": [4], "data": ONES}, pair()[1]])
infer("without shape", "add", [{"name": "A", "datatype": "INT32", "data": ONES}, pair()[1]])
infer("without datatype", "add", [{"name": "A", "shape": [4], "data": ONES}, pair()[1]])
infer("without data", "add", [tensor("A", "INT32", [4]), pair()[1]])
infer("data that is no list", "identity_fp32", [tensor("X", "FP32", [1], 1)])
infer("text for a number", "add", [tensor("A", "INT32", [4], ["1", "2", "3", "4"]), pair()[1]])
infer("fraction for an integer", "add", [tensor("A", "INT32", [4], [1.5, 2, 3, 4]), pair()[1]])
infer("whole fraction for an integer", "add", [tensor("A", "INT32", [4], [1.0, 2, 3, 4]), pair()[1]])
infer("integer for a boolean", "identity_bool", [tensor("X", "BOOL", [2], [1, 0])])
infer("boolean for an integer", "identity_int32", [tensor("X", "INT32", [2], [True, False])])
infer("number for text", "identity_bytes", [tensor("X", "BYTES", [1], [5])])
infer("null in data", "identity_fp32", [tensor("X", "FP32", [1], [None])])
infer("too large for INT8", "identity_int8", [tensor("X", "INT8", [1], [300])])
infer("too large for UINT8", "identity_uint8", [tensor("X", "UINT8", [1], [256])])
infer("negative for UINT16", "identity_uint16", [tensor("X", "UINT16", [1], [-1])])
infer("too large for INT32", "identity_int32", [tensor("X", "INT32", [1], [2147483648])])
infer("too large for UINT64", "identity_uint64", [tensor("X", "UINT64", [1], [18446744073709551616])])
infer("unknown output", "add", pair(), outputs=[{"name": "NOPE"}])
infer("output without name", "add", pair(), outputs=[{}])
infer("outputs of another type", "add", pair(), outputs={"name": "SUM"})
infer("id of another type", "add", pair(), id=5)
infer("parameters of another type", "add", pair(), parameters=[1])
infer("parameter of another type", "add", pair(), parameters={"nested": {"a": 1}})
infer("priority of another type", "batch_add", pair((1, 4)), parameters={"priority": "first"})
infer("timeout of another type", "batch_add", pair((1, 4)), parameters={"timeout": True})
infer("binary_data_output of another type", "add", pair(), parameters={"binary_data_output": 3})
infer("unknown model", "nope", pair())
infer("unknown version", "add", pair(), suffix="/versions/9")
infer("content that the network refuses", "picky", [tensor("X", "FP32", [3], [1, 2, 3])])
infer("content that it takes", "picky", [tensor("X", "FP32", [4], ONES)])
infer("shared memory", "add", [tensor("A", "INT32", [4], shared_memory_region="r", shared_memory_byte_size=16),
                               pair()[1]])
for name, body in {"empty body": b"", "broken json": b'{"inputs":[', "array": b"[]", "text": b"hello",
                   "number": b"3", "null": b"null", "two documents": b"{}{}", "not utf-8": b'{"inputs":"\xff"}',
                   "trailing comma": b'{"inputs":[],}', "NaN": json.dumps(
                       {"inputs": [tensor("X", "FP32", [1], [float("nan")])]}).encode()}.items():
    http(f"infer body {name}", "POST", "/v2/models/identity_fp32/infer", body=body)
for verb in ("GET", "PUT", "DELETE", "HEAD"):
    http(f"infer {verb}", verb, "/v2/models/add/infer")

# ---- classification --------------------------------------------------------------------------------------------

SCORES = [0.25, 4.0, 1.0, 2.0]
for count in (1, 3, 4, 9):
    infer(f"classes {count}", "classify", [tensor("X", "FP32", [1, 4], SCORES)],
          outputs=[{"name": "SCORES", "parameters": {"classification": count}}])
infer("classes of a batch", "classify", [tensor("X", "FP32", [2, 4], SCORES + SCORES[::-1])],
      outputs=[{"name": "SCORES", "parameters": {"classification": 2}}])
infer("classes in binary", "classify", [tensor("X", "FP32", [1, 4], SCORES)],
      outputs=[{"name": "SCORES", "parameters": {"classification": 2, "binary_data": True}}])
infer("classes without labels", "batch_add", pair((1, 4)),
      outputs=[{"name": "SUM", "parameters": {"classification": 2}}])
infer("classes without batching", "add", pair(), outputs=[{"name": "SUM", "parameters": {"classification": 2}}])
for count in (0, -1, "two"):
    infer(f"classes {count!r}", "classify", [tensor("X", "FP32", [1, 4], SCORES)],
          outputs=[{"name": "SCORES", "parameters": {"classification": count}}])
infer("classes of text", "identity_bytes", [tensor("X", "BYTES", [2], ["a", "b"])],
      outputs=[{"name": "Y", "parameters": {"classification": 1}}])

# ---- binary tensors --------------------------------------------------------------------------------------------


def binary_pair(sizes=(16, 16), **more):
    return {"inputs": [tensor("A", "INT32", [4], binary_data_size=sizes[0]),
                       tensor("B", "INT32", [4], binary_data_size=sizes[1])]} | more


TAIL = int32(1, 2, 3, 4, 10, 20, 30, 40)
binary("both inputs", "add", binary_pair(), TAIL)
binary("both ways", "add", binary_pair(parameters={"binary_data_output": True}), TAIL)
binary("both ways with id", "add", binary_pair(parameters={"binary_data_output": True}, id="7"), TAIL)
binary("as octets", "add", binary_pair(parameters={"binary_data_output": True}), TAIL,
       headers={"Content-Type": "application/octet-stream"})
binary("one input", "add", {"inputs": [tensor("A", "INT32", [4], binary_data_size=16), pair()[1]]}, TAIL[:16])
binary("size too small", "add", binary_pair((12, 16)), TAIL[:28])
binary("size too large", "add", binary_pair((16, 20)), TAIL + b"1234")
binary("fewer bytes than said", "add", binary_pair(), TAIL[:20])
binary("more bytes than said", "add", binary_pair(), TAIL + b"1234")
binary("size that is text", "add", binary_pair(("16", 16)), TAIL)
binary("size that is negative", "add", binary_pair((-1, 16)), TAIL)
binary("data and size", "add", {"inputs": [tensor("A", "INT32", [4], ONES, binary_data_size=16), pair()[1]]}, TAIL[:16])
binary("without length", "add", binary_pair(), TAIL, headers={"Inference-Header-Content-Length": ""})
binary("length beyond the body", "add", binary_pair(), TAIL, length=100000)
binary("length that is negative", "add", binary_pair(), TAIL, length=-5)
binary("length that is text", "add", binary_pair(), TAIL, length="many")
binary("length within the json", "add", binary_pair(), TAIL, length=10)
RAW = {
    "BOOL": b"\x01\x00", "UINT8": b"\x00\xff", "UINT16": b"\x00\x00\xff\xff", "UINT32": bytes(4) + b"\xff" * 4,
    "UINT64": bytes(8) + b"\xff" * 8, "INT8": b"\x80\x7f", "INT16": b"\x00\x80\xff\x7f", "INT32": int32(-1, 5),
    "INT64": struct.pack("<2q", -1, 5), "FP16": struct.pack("<2e", 1.5, -2), "FP32": struct.pack("<2f", 0.1, 1e30),
    "FP64": struct.pack("<2d", 0.1, 1e300), "BYTES": elements(b"", b"h\xc3\xa9llo"),
}
for datatype, data in RAW.items():
    binary(datatype, f"identity_{datatype.lower()}",
           {"inputs": [tensor("X", datatype, [2], binary_data_size=len(data))],
            "outputs": [{"name": "Y", "parameters": {"binary_data": True}}]}, data)
binary("what is no number as json", "identity_fp32",
       {"inputs": [tensor("X", "FP32", [3], binary_data_size=12)]},
       struct.pack("<3f", float("nan"), float("inf"), -float("inf")))
for name, data in {"cut length": b"\x01\x00", "length beyond": b"\x09\x00\x00\x00ab", "too few": elements(b"a"),
                   "too many": elements(b"a", b"b", b"c"), "rest": elements(b"a", b"b") + b"x"}.items():
    binary(f"text with {name}", "identity_bytes",
           {"inputs": [tensor("X", "BYTES", [2], binary_data_size=len(data))]}, data)
binary("raw request", "identity_fp32", None, struct.pack("<3f", 1, 2, 3), length=0)
binary("raw request of text", "identity_bytes", None, elements(b"some text"), length=0)
binary("raw request of one text", "identity_one_text", None, b"some text", length=0)
binary("raw request of a batch model", "classify", None, struct.pack("<4f", *SCORES), length=0)
binary("raw request with a rest", "identity_fp32", None, b"12345", length=0)
binary("raw request of none", "identity_fp32", None, b"", length=0)
binary("raw request of two inputs", "add", None, TAIL, length=0)
binary("raw request of two dimensions", "matrix", None, struct.pack("<4f", *ONES), length=0)
binary("raw request of another size", "classify", None, struct.pack("<3f", 1, 2, 3), length=0)

# ---- the connection --------------------------------------------------------------------------------------------

REQUEST = json.dumps({"inputs": pair()}).encode()
ADD = "/v2/models/add/infer"
http("gzip body", "POST", ADD, body=gzip.compress(REQUEST, mtime=0), headers={"Content-Encoding": "gzip"})
http("deflate body", "POST", ADD, body=zlib.compress(REQUEST), headers={"Content-Encoding": "deflate"})
http("gzip body that is none", "POST", ADD, body=REQUEST, headers={"Content-Encoding": "gzip"})
http("gzip body that is cut", "POST", ADD, body=gzip.compress(REQUEST, mtime=0)[:-12],
     headers={"Content-Encoding": "gzip"})
http("unknown encoding", "POST", ADD, body=REQUEST, headers={"Content-Encoding": "br"})
http("identity encoding", "POST", ADD, body=REQUEST, headers={"Content-Encoding": "identity"})
http("gzip binary body", "POST", ADD, headers={
    "Content-Encoding": "gzip", "Inference-Header-Content-Length": str(len(json.dumps(binary_pair())))},
     body=gzip.compress(json.dumps(binary_pair()).encode() + TAIL, mtime=0))
for accepted in ("gzip", "deflate", "br", "*", "gzip, deflate"):
    http(f"accept {accepted}", "POST", ADD, body=REQUEST, headers={"Accept-Encoding": accepted})
LARGE = json.dumps({"inputs": [tensor("X", "FP32", [1000], [0.5] * 1000)]}).encode()
for accepted in ("gzip", "deflate"):
    http(f"accept {accepted} for a long answer", "POST", "/v2/models/identity_fp32/infer", body=LARGE,
         headers={"Accept-Encoding": accepted})
http("chunked", "POST", ADD, body=REQUEST, chunks=7)
http("chunked in one", "POST", ADD, body=REQUEST, chunks=100000)
http("keep-alive", "POST", ADD, body=REQUEST, times=3)
http("keep-alive after an error", "POST", ADD, body=b"{", times=2)
http("pipelined", "POST", ADD, body=REQUEST, times=3, pipelined=True)
http("pipelined GET", "GET", "/v2/models/add", times=3, pipelined=True, masks=METADATA_MASKS)
http("expect continue", "POST", ADD, body=REQUEST, headers={"Expect": "100-continue"}, expect=True)
http("HTTP/1.0", "POST", ADD, body=REQUEST, version="HTTP/1.0")
http("connection close", "POST", ADD, body=REQUEST, headers={"Connection": "close"})
http("no content type", "POST", ADD, body=REQUEST)
http("another content type", "POST", ADD, body=REQUEST, headers={"Content-Type": "text/plain"})
http("lower-case headers", "POST", ADD, body=REQUEST, headers={"content-type": "application/json"})
http("percent in the path", "GET", "/v2/models/%61dd", masks=METADATA_MASKS)
http("query", "GET", "/v2/models/add?x=1", masks=METADATA_MASKS)
http("broken request line", raw=b"NONSENSE\r\n\r\n")
http("unknown verb", "BREW", "/v2")

# ---- what is not offered ---------------------------------------------------------------------------------------

for kind in ("system", "cuda"):
    http(f"{kind} shared memory status", path=f"/v2/{kind}sharedmemory/status")
    http(f"{kind} shared memory register", "POST", f"/v2/{kind}sharedmemory/region/r/register",
         json={"key": "/no_such_key", "offset": 0, "byte_size": 64})
    http(f"{kind} shared memory unregister", "POST", f"/v2/{kind}sharedmemory/unregister")
http("trace setting", path="/v2/trace/setting")
http("trace setting of a model", path="/v2/models/add/trace/setting")
http("logging", path="/v2/logging")
http("generate", "POST", "/v2/models/add/generate", json={"A": ONES, "B": ZEROS})

# ---- gRPC ------------------------------------------------------------------------------------------------------

call("live", "ServerLive")
call("ready", "ServerReady")
call("server metadata", "ServerMetadata", masks=["name", "version"])
for model in ("add", "batch_add", "two_versions", "identity_bytes"):
    call(f"metadata {model}", "ModelMetadata", {"name": model}, masks=["platform"])
    call(f"config {model}", "ModelConfig", {"name": model}, inside=["config"],
         only=["name", "max_batch_size", "input", "output", "version_policy"])
call("metadata of a version", "ModelMetadata", {"name": "two_versions", "version": "1"}, masks=["platform"])
for rpc in ("ModelReady", "ModelMetadata", "ModelConfig"):
    call(f"{rpc} of an unknown model", rpc, {"name": "nope"})
    call(f"{rpc} of an unknown version", rpc, {"name": "add", "version": "9"})
    call(f"{rpc} of a version that is no number", rpc, {"name": "add", "version": "x"})
    call(f"{rpc} without a name", rpc)
call("ModelReady", "ModelReady", {"name": "add"})
call("index", "RepositoryIndex")
call("index of ready ones", "RepositoryIndex", {"ready": True})
call("index of a repository", "RepositoryIndex", {"repository_name": "nope"})
call("load without explicit control", "RepositoryModelLoad", {"model_name": "add"})
call("unload without explicit control", "RepositoryModelUnload", {"model_name": "add"})


def b64(data):
    import base64
    return base64.b64encode(data).decode()


def grpc_tensor(name, datatype, shape, field=None, values=None, **more):
    entry = {"name": name, "datatype": datatype, "shape": shape}
    return entry | ({"contents": {field: values}} if field else {}) | more


def typed(a=ONES, b=ZEROS, shape=(4,)):
    return [grpc_tensor("A", "INT32", list(shape), "int_contents", a),
            grpc_tensor("B", "INT32", list(shape), "int_contents", b)]


def plain(shape=(4,)):
    return [grpc_tensor("A", "INT32", list(shape)), grpc_tensor("B", "INT32", list(shape))]


def infer_call(name, model, inputs=None, raw=None, **fields):
    request = {"model_name": model, "inputs": inputs or []} | fields
    if raw is not None:
        request["raw_input_contents"] = [b64(data) for data in raw]
    case = {key: request.pop(key) for key in ("metadata",) if key in request}
    call("infer " + name, "ModelInfer", request, **case)


HALVES = [TAIL[:16], TAIL[16:]]
infer_call("typed", "add", typed())
infer_call("raw", "add", plain(), HALVES)
infer_call("id", "add", plain(), HALVES, id="mine")
infer_call("one output", "add", plain(), HALVES, outputs=[{"name": "DIFFERENCE"}])
infer_call("outputs in another order", "add", plain(), HALVES, outputs=[{"name": "DIFFERENCE"}, {"name": "SUM"}])
infer_call("unknown output", "add", plain(), HALVES, outputs=[{"name": "NOPE"}])
infer_call("batch", "batch_add", plain((2, 4)), [TAIL, TAIL])
infer_call("batch too large", "batch_add", plain((9, 4)), [bytes(144), bytes(144)])
infer_call("version", "two_versions", [grpc_tensor("X", "FP32", [2], "fp32_contents", [1, 2])], model_version="1")
infer_call("unknown version", "two_versions", [grpc_tensor("X", "FP32", [2], "fp32_contents", [1, 2])],
           model_version="9")
infer_call("version that is no number", "add", plain(), HALVES, model_version="x")
infer_call("unknown model", "nope", plain(), HALVES)
infer_call("without a name", "", plain(), HALVES)
infer_call("an input missing", "add", plain()[:1], HALVES[:1])
infer_call("an unknown input", "add", [plain()[0], grpc_tensor("C", "INT32", [4])], HALVES)
infer_call("no inputs", "add")
infer_call("another datatype", "add", [grpc_tensor("A", "FP32", [4]), plain()[1]], HALVES)
infer_call("another datatype with id", "add", [grpc_tensor("A", "FP32", [4]), plain()[1]], HALVES, id="mine")
infer_call("unknown datatype", "add", [grpc_tensor("A", "FLOAT", [4]), plain()[1]], HALVES)
infer_call("another shape", "add", [grpc_tensor("A", "INT32", [3]), plain()[1]], [HALVES[0][:12], HALVES[1]])
infer_call("negative dimension", "identity_fp32", [grpc_tensor("X", "FP32", [-1])], [bytes(4)])
infer_call("raw of another size", "add", plain(), [HALVES[0][:12], HALVES[1]])
infer_call("fewer raw than inputs", "add", plain(), HALVES[:1])
infer_call("more raw than inputs", "add", plain(), HALVES + HALVES)
infer_call("raw and typed", "add", [typed()[0], plain()[1]], HALVES)
infer_call("too few typed", "add", typed(a=[1, 2, 3]))
infer_call("typed in another field", "add", [grpc_tensor("A", "INT32", [4], "int64_contents", ONES), typed()[1]])
infer_call("no data", "add", plain())
infer_call("content that the network refuses", "picky", [grpc_tensor("X", "FP32", [3], "fp32_contents", [1, 2, 3])])
infer_call("unknown parameters", "add", plain(), HALVES,
           parameters={"a": {"int64_param": 3}, "b": {"string_param": "x"}, "c": {"bool_param": True}})
infer_call("double and unsigned parameters", "add", plain(), HALVES,
           parameters={"a": {"double_param": 3.5}, "b": {"uint64_param": "3"}})
infer_call("priority and timeout", "batch_add", plain((1, 4)), HALVES,
           parameters={"priority": {"uint64_param": "1"}, "timeout": {"int64_param": "1000000"}})
infer_call("classes", "classify", [grpc_tensor("X", "FP32", [1, 4], "fp32_contents", SCORES)],
           outputs=[{"name": "SCORES", "parameters": {"classification": {"int64_param": "2"}}}])
infer_call("text", "identity_bytes", [grpc_tensor("X", "BYTES", [2], "bytes_contents", [b64(b"a"), b64(b"\xff")])])
infer_call("shared memory", "add", [grpc_tensor("A", "INT32", [4], parameters={
    "shared_memory_region": {"string_param": "r"}, "shared_memory_byte_size": {"int64_param": "16"}}), plain()[1]],
    HALVES[1:])
FIELDS = {"BOOL": ("bool_contents", [True, False]), "UINT8": ("uint_contents", [0, 255]),
          "UINT16": ("uint_contents", [0, 65535]), "UINT32": ("uint_contents", [0, 4294967295]),
          "UINT64": ("uint64_contents", ["0", "18446744073709551615"]), "INT8": ("int_contents", [-128, 127]),
          "INT16": ("int_contents", [-32768, 32767]), "INT32": ("int_contents", [-5, 5]),
          "INT64": ("int64_contents", ["-5", "5"]), "FP32": ("fp32_contents", [0.5, -1]),
          "FP64": ("fp64_contents", [0.1, 1e300])}
for datatype, (field, values) in FIELDS.items():
    infer_call(f"typed {datatype}", f"identity_{datatype.lower()}", [grpc_tensor("X", datatype, [2], field, values)])
infer_call("too large for INT8", "identity_int8", [grpc_tensor("X", "INT8", [1], "int_contents", [300])])
for datatype, data in RAW.items():
    infer_call(f"raw {datatype}", f"identity_{datatype.lower()}", [grpc_tensor("X", datatype, [2])], [data])
infer_call("text with a wrong length", "identity_bytes", [grpc_tensor("X", "BYTES", [2])], [b"\x09\x00\x00\x00ab"])


def stream(name, *requests):
    call("stream " + name, "ModelStreamInfer", stream=list(requests))


def streamed(**fields):
    return {"model_name": "add", "inputs": plain(), "raw_input_contents": [b64(data) for data in HALVES]} | fields


stream("of one", streamed(id="1"))
stream("of three", streamed(id="1"), streamed(id="2"), streamed(id="3"))
stream("of none")
stream("with an error between", streamed(id="1"), streamed(id="2", model_name="nope"), streamed(id="3"))
stream("with wrong input", streamed(id="1", inputs=plain()[:1], raw_input_contents=[b64(HALVES[0])]))
stream("with the final flag", streamed(id="1", parameters={
    "triton_enable_empty_final_response": {"bool_param": True}}))
call("system shared memory status", "SystemSharedMemoryStatus")
call("system shared memory register", "SystemSharedMemoryRegister",
     {"name": "r", "key": "/no_such_key", "byte_size": 64})
call("system shared memory unregister", "SystemSharedMemoryUnregister", {"name": "r"})
call("cuda shared memory status", "CudaSharedMemoryStatus")
call("trace setting", "TraceSetting")
call("log settings", "LogSettings")
call("health", "/grpc.health.v1.Health/Check", b"")
call("health of a service", "/grpc.health.v1.Health/Check", b"\x0a\x1einference.GRPCInferenceService")
call("health of an unknown service", "/grpc.health.v1.Health/Check", b"\x0a\x04nope")
call("unknown method", "/inference.GRPCInferenceService/Nope", b"")

# ---- model control, in this order ------------------------------------------------------------------------------


def control(name, method, path, **members):
    http("control " + name, method, path, group="control", **members)


def load(name, model, request=None, verb="load", **members):
    control(name, "POST", f"/v2/repository/models/{model}/{verb}", json={} if request is None else request, **members)


def index(name):
    """The reasons of models that could not be loaded are each server's own words."""
    control(f"index {name}", "POST", "/v2/repository/index", masks=["json.*.reason"])


BATCH = {"inputs": pair((1, 4))}
index("at the start")
control("ready of a model never loaded", "GET", "/v2/models/later/ready")
control("metadata of a model never loaded", "GET", "/v2/models/later")
control("infer of a model never loaded", "POST", "/v2/models/later/infer", json=BATCH)
load("load", "later")
index("after a load")
control("infer of the loaded", "POST", "/v2/models/later/infer", json=BATCH)
load("load again", "later")
load("load of an unknown model", "nope")
load("load of a broken model", "broken")
index("after a broken one")
control("infer of the broken", "POST", "/v2/models/broken/infer", json={"inputs": pair()})
load("unload", "later", verb="unload")
control("index of ready ones after an unload", "POST", "/v2/repository/index", json={"ready": True})
control("ready of the unloaded", "GET", "/v2/models/later/ready")
control("infer of the unloaded", "POST", "/v2/models/later/infer", json=BATCH)
control("metadata of the unloaded", "GET", "/v2/models/later")
control("statistics of the unloaded", "GET", "/v2/models/later/stats")
load("unload again", "later", verb="unload")
load("unload of an unknown model", "nope", verb="unload")
load("unload with dependents", "later", {"parameters": {"unload_dependents": True}}, verb="unload")
control("load bad json", "POST", "/v2/repository/models/later/load", body=b"{")
control("load without a body", "POST", "/v2/repository/models/later/load")
load("load with a bad config", "later", {"parameters": {"config": "{"}})
load("load with a config of another type", "later", {"parameters": {"config": 3}})
load("load with a file and no config", "later", {"parameters": {"file:1/model.onnx": "AAAA"}})
load("load with an unknown parameter", "later", {"parameters": {"nobody_knows": True}})
control("load GET", "GET", "/v2/repository/models/later/load")
call("control load of an unknown model", "RepositoryModelLoad", {"model_name": "nope"}, group="control")
call("control unload", "RepositoryModelUnload", {"model_name": "later"}, group="control")
call("control ready of the unloaded", "ModelReady", {"name": "later"}, group="control")
call("control infer of the unloaded", "ModelInfer",
     {"model_name": "later", "inputs": plain((1, 4)), "raw_input_contents": [b64(data) for data in HALVES]},
     group="control")
call("control load", "RepositoryModelLoad", {"model_name": "later"}, group="control")
call("control infer of the loaded", "ModelInfer",
     {"model_name": "later", "inputs": plain((1, 4)), "raw_input_contents": [b64(data) for data in HALVES]},
     group="control")
call("control unload of an unknown model", "RepositoryModelUnload", {"model_name": "nope"}, group="control")
