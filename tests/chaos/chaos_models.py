"""Models of the chaos run: small, heavy, a crowd of large ones, and broken ones."""

import numpy
from onnx import TensorProto, helper, numpy_helper

CROWD_BYTES = 8 << 20
HEAVY_SIZE = 260  # Some milliseconds of matrix products.


def write_models(repository):
    """`quick` and `heavy` answer X + 1; `heavy` multiplies matrices before. Broken ones are written when offered."""
    node = helper.make_node
    pads, end = [0, 0, HEAVY_SIZE - 1, HEAVY_SIZE - 4], [1, 4]
    heavy = [node("Pad", ["X", "pads"], ["P0"])]
    heavy += [node("MatMul", [f"P{i}", "unit"], [f"P{i + 1}"]) for i in range(3)]
    heavy += [node("Slice", ["P3", "begin", "end"], ["S"]), node("Add", ["S", "one"], ["Y"])]
    write_model(repository, "quick", [node("Add", ["X", "one"], ["Y"])], one=numpy.float32(1))
    write_model(repository, "heavy", heavy, one=numpy.float32(1), unit=numpy.eye(HEAVY_SIZE, dtype="float32"),
                pads=numpy.array(pads), begin=numpy.array([0, 0]), end=numpy.array(end))


def write_crowd(repository, count):
    """`crowd_N` answer X + 1 too, and read 8 MiB of weights for it: what they add to the answer is zero."""
    node = helper.make_node
    side = CROWD_BYTES // 4 // 4
    nodes = [node("MatMul", ["X", "weights"], ["columns"]), node("ReduceSum", ["columns", "axes"], ["sum"], keepdims=1),
             node("Mul", ["sum", "zero"], ["nothing"]), node("Add", ["X", "one"], ["answer"]),
             node("Add", ["answer", "nothing"], ["Y"])]
    for number in range(count):
        weights = numpy.random.default_rng(number).integers(-8, 8, (4, side)).astype("float32")
        write_model(repository, f"crowd_{number}", nodes, weights=weights, axes=numpy.array([1]),
                    zero=numpy.float32(0), one=numpy.float32(1))
    return [f"crowd_{number}" for number in range(count)]


def write_model(repository, name, nodes, **constants):
    graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 4])],
                              [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 4])],
                              [numpy_helper.from_array(numpy.asarray(array), key) for key, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = repository / name / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(model.SerializeToString())


def write_broken(repository, number):
    """A model that cannot be served, in one of several ways."""
    place = repository / f"broken_{number}"
    (place / "1").mkdir(parents=True)
    good = (repository / "heavy/1/model.onnx").read_bytes()
    ways = [b"", b"no network", good[:len(good) // 2], good[:-7] + b"\xff" * 7]
    if number % 6 < 4:
        (place / "1/model.onnx").write_bytes(ways[number % 6])
    elif number % 6 == 4:
        (place / "1/model.onnx").write_bytes(good)
        (place / "config.pbtxt").write_text('input { name: "NOT_THERE" data_type: TYPE_INT8 dims: [ 3 ] }\n')
    else:
        (place / "1/model.onnx").write_bytes(good)
        (place / "config.pbtxt").write_text("max_batch_size: {{{ [\n")
    return place.name
