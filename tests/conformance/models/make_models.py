"""Writes the networks of the conformance cases twice, laid out alike: for Cotenant as ONNX, and for a tritonserver
that has only its Python backend, where tools/triton/model.py runs the same ONNX file.

make_repositories(FOLDER) makes FOLDER/{cotenant,triton}/{serve,control}.
"""

import pathlib
import shutil

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent

# Protocol's name: (ONNX's, config.pbtxt's)
TYPES = {
    "BOOL": (TensorProto.BOOL, "TYPE_BOOL"),
    "UINT8": (TensorProto.UINT8, "TYPE_UINT8"),
    "UINT16": (TensorProto.UINT16, "TYPE_UINT16"),
    "UINT32": (TensorProto.UINT32, "TYPE_UINT32"),
    "UINT64": (TensorProto.UINT64, "TYPE_UINT64"),
    "INT8": (TensorProto.INT8, "TYPE_INT8"),
    "INT16": (TensorProto.INT16, "TYPE_INT16"),
    "INT32": (TensorProto.INT32, "TYPE_INT32"),
    "INT64": (TensorProto.INT64, "TYPE_INT64"),
    "FP16": (TensorProto.FLOAT16, "TYPE_FP16"),
    "FP32": (TensorProto.FLOAT, "TYPE_FP32"),
    "FP64": (TensorProto.DOUBLE, "TYPE_FP64"),
    "BYTES": (TensorProto.STRING, "TYPE_STRING"),
}


class Model:
    """One network and what its configuration says. Tensors are (name, datatype, dims without the batch dimension)."""

    def __init__(self, name, inputs, outputs, nodes, constants=(), batch=0, more="", labels=None):
        self.name, self.inputs, self.outputs, self.batch = name, inputs, outputs, batch
        self.nodes, self.constants, self.more, self.labels = nodes, constants, more, labels

    def values(self, tensors):
        first = ["batch"] if self.batch else []
        return [helper.make_tensor_value_info(
            name, TYPES[datatype][0], first + [f"{name}_{i}" if d < 0 else d for i, d in enumerate(dims)])
            for name, datatype, dims in tensors]

    def network(self):
        graph = helper.make_graph(self.nodes, self.name, self.values(self.inputs), self.values(self.outputs),
                                  list(self.constants))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model.SerializeToString(deterministic=True)

    def config(self, backend):
        def entries(kind, tensors):
            lines = []
            for name, datatype, dims in tensors:
                label = f' label_filename: "{self.labels}"' if self.labels and kind == "output" else ""
                lines.append(f'  {{ name: "{name}" data_type: {TYPES[datatype][1]} dims: {list(dims)}{label} }}')
            return f"{kind} [\n" + ",\n".join(lines) + "\n]\n"
        return (f'backend: "{backend}"\nmax_batch_size: {self.batch}\n' + entries("input", self.inputs)
                + entries("output", self.outputs) + self.more)


def constant(name, array):
    return numpy_helper.from_array(numpy.asarray(array), name)


def add(name, batch=0, more=""):
    inputs = [("A", "INT32", [4]), ("B", "INT32", [4])]
    outputs = [("SUM", "INT32", [4]), ("DIFFERENCE", "INT32", [4])]
    nodes = [helper.make_node("Add", ["A", "B"], ["SUM"]), helper.make_node("Sub", ["A", "B"], ["DIFFERENCE"])]
    return Model(name, inputs, outputs, nodes, batch=batch, more=more)


def identity(datatype, name=None, dims=-1):
    name = name or "identity_" + datatype.lower()
    return Model(name, [("X", datatype, [dims])], [("Y", datatype, [dims])],
                 [helper.make_node("Identity", ["X"], ["Y"])])


def classify():
    return Model("classify", [("X", "FP32", [4])], [("SCORES", "FP32", [4])],
                 [helper.make_node("Identity", ["X"], ["SCORES"])], batch=4, labels="labels.txt")


def offset(amount):
    return Model("two_versions", [("X", "FP32", [2])], [("Y", "FP32", [2])],
                 [helper.make_node("Add", ["X", "amount"], ["Y"])], [constant("amount", numpy.float32(amount))],
                 more="version_policy { all {} }\n")


def picky():
    """Fails at run time when the number of elements is odd."""
    return Model("picky", [("X", "FP32", [-1])], [("Y", "FP32", [-1, 2])],
                 [helper.make_node("Reshape", ["X", "shape"], ["Y"])], [constant("shape", numpy.array([-1, 2]))])


def matrix():
    return Model("matrix", [("X", "FP32", [-1, 2])], [("Y", "FP32", [-1, 2])],
                 [helper.make_node("Neg", ["X"], ["Y"])])


def write(folder, backend, model, version=1):
    place = folder / model.name / str(version)
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(model.network())
    if backend == "python":
        same = model.name.startswith("identity_")
        script = HERE / "identity_model.py" if same else HERE.parents[2] / "tools/triton/model.py"
        shutil.copy(script, place / "model.py")
    (folder / model.name / "config.pbtxt").write_text(model.config(backend))
    if model.labels:
        (folder / model.name / model.labels).write_text("cat\ndog\nfox\nowl\n")


def write_serve(folder, backend):
    batching = "dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 100 }\n"
    for model in [add("add"), add("batch_add", batch=8, more=batching), add("counted", batch=8), classify(), picky(),
                  matrix(), identity("BYTES", "identity_one_text", 1), *map(identity, TYPES)]:
        write(folder, backend, model)
    write(folder, backend, offset(1.0), 1)
    write(folder, backend, offset(3.0), 3)


def write_control(folder, backend):
    for name in ("first", "later"):
        write(folder, backend, add(name, batch=8))
    write(folder, backend, add("broken"))
    for file in (folder / "broken/1").iterdir():
        file.write_text("this is no network\n")


def make_repositories(folder):
    for server, backend in (("cotenant", "onnxruntime"), ("triton", "python")):
        shutil.rmtree(folder / server, ignore_errors=True)
        write_serve(folder / server / "serve", backend)
        write_control(folder / server / "control", backend)
