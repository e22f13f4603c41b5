#!/usr/bin/env python3
"""Writes the small networks that the tests serve, laid out for Triton. Seeded: the same files every time.

tests/models/make_models.py [FOLDER]     (default: this file's own folder; needs the packages onnx and numpy)
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def value(name, datatype, shape):
    return helper.make_tensor_value_info(name, datatype, shape)


def constant(name, array):
    return numpy_helper.from_array(numpy.asarray(array), name)


def write(folder, name, nodes, inputs, outputs, constants=(), config=None, check=True):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                              producer_name="make_models")
    if check:
        onnx.checker.check_model(model)
    put(folder, name, model.SerializeToString(deterministic=True), config)
    return model


def put(folder, name, content, config=None):
    path = folder / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if config:
        (folder / name / "config.pbtxt").write_text(config)


def mlp(folder, name="mlp"):
    """The light network of the benchmarks: 64-256-256-10."""
    random = numpy.random.default_rng(7)
    sizes, nodes, constants, last = [64, 256, 256, 10], [], [], "x"
    for i, (n, m) in enumerate(zip(sizes, sizes[1:])):
        constants.append(constant(f"w{i}", (random.standard_normal((n, m)) / n ** 0.5).astype("float32")))
        constants.append(constant(f"b{i}", numpy.zeros(m, "float32")))
        out = "y" if i == 2 else f"h{i}"
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [out if i == 2 else f"g{i}"]))
        if i < 2:
            nodes.append(helper.make_node("Relu", [f"g{i}"], [out]))
        last = out
    write(folder, name, nodes, [value("x", TensorProto.FLOAT, ["batch", 64])],
          [value("y", TensorProto.FLOAT, ["batch", 10])], constants)


def add(folder):
    dims = ["batch", 4]
    write(folder, "add", [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
          [value("a", TensorProto.FLOAT, dims), value("b", TensorProto.FLOAT, dims)],
          [value("sum", TensorProto.FLOAT, dims), value("difference", TensorProto.FLOAT, dims)],
          config='name: "add"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
                 'input [\n  { name: "a" data_type: TYPE_FP32 dims: [ 4 ] },\n  { name: "b" data_type: TYPE_FP32 dims: [ 4 ] }\n]\n'
                 'output [\n  { name: "sum" data_type: TYPE_FP32 dims: [ 4 ] },\n'
                 '  { name: "difference" data_type: TYPE_FP32 dims: [ 4 ] }\n]\n'
                 'dynamic_batching { max_queue_delay_microseconds: 500 }\n')


TYPES = {
    "bool": TensorProto.BOOL, "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16, "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64, "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
    "int64": TensorProto.INT64, "fp16": TensorProto.FLOAT16, "fp32": TensorProto.FLOAT, "fp64": TensorProto.DOUBLE,
    "bytes": TensorProto.STRING, "bf16": TensorProto.BFLOAT16,
}


def identity(folder):
    """Every element type of the protocol, one by one and all in one network."""
    for name, datatype in TYPES.items():
        write(folder, f"identity_{name}", [helper.make_node("Identity", ["in"], ["out"])],
              [value("in", datatype, ["batch", "n"])], [value("out", datatype, ["batch", "n"])])
    write(folder, "all_types", [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name in TYPES],
          [value(f"in_{name}", datatype, ["batch", 2]) for name, datatype in TYPES.items()],
          [value(f"out_{name}", datatype, ["batch", 2]) for name, datatype in TYPES.items()])


def dynamic_shape(folder):
    """Sums each row of any length; the second output's length depends on the values."""
    write(folder, "dynamic_shape",
          [helper.make_node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1), helper.make_node("NonZero", ["x"], ["where"])],
          [value("x", TensorProto.FLOAT, ["batch", "length"])],
          [value("sum", TensorProto.FLOAT, ["batch", 1]), value("where", TensorProto.INT64, [2, "found"])],
          [constant("axes", numpy.array([1], "int64"))])
    # Declares an output shape by a name of the input's, and does not keep it.
    write(folder, "false_shape",
          [helper.make_node("Compress", ["x", "keep"], ["y"], axis=0)],
          [value("x", TensorProto.FLOAT, ["n"]), value("keep", TensorProto.BOOL, ["n"])],
          [value("y", TensorProto.FLOAT, ["n"])])


def slow(folder):
    """Multiplies a 256 x 256 matrix `turns` times; one turn is about a millisecond, so a stop comes through soon."""
    random = numpy.random.default_rng(11)
    weights = numpy.linalg.qr(random.standard_normal((16, 16)))[0].astype("float32")
    body = helper.make_graph(
        [helper.make_node("MatMul", ["state_in", "square"], ["state_out"]),
         helper.make_node("Identity", ["go_in"], ["go_out"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("go_in", TensorProto.BOOL, []),
         value("state_in", TensorProto.FLOAT, [256, 256])],
        [value("go_out", TensorProto.BOOL, []), value("state_out", TensorProto.FLOAT, [256, 256])])
    write(folder, "slow",
          [helper.make_node("Tile", ["weights", "times"], ["large"]),
           helper.make_node("Div", ["large", "sixteen"], ["square"]),
           helper.make_node("Reshape", ["turns", "scalar"], ["trip"]),
           helper.make_node("Loop", ["trip", "", "square"], ["state"], body=body),
           helper.make_node("ReduceSum", ["state"], ["total"], keepdims=0),
           helper.make_node("Reshape", ["total", "one"], ["y"])],
          [value("turns", TensorProto.INT64, [1])], [value("y", TensorProto.FLOAT, [1])],
          [constant("weights", weights), constant("times", numpy.array([16, 16], "int64")),
           constant("sixteen", numpy.float32(16)), constant("scalar", numpy.array([], "int64")),
           constant("one", numpy.array([1], "int64"))])


def bad_content(folder):
    """Looks each index up in a table of 4: any other index makes the network refuse."""
    write(folder, "bad_content", [helper.make_node("Gather", ["table", "index"], ["y"], axis=0)],
          [value("index", TensorProto.INT64, ["batch", 1])], [value("y", TensorProto.FLOAT, ["batch", 1])],
          [constant("table", numpy.array([0, 10, 20, 30], "float32"))],
          config='name: "bad_content"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 16\n'
                 'dynamic_batching { max_queue_delay_microseconds: 2000 }\n')


def memory_hog(folder):
    """Takes as many floats as its input says, and adds them up."""
    write(folder, "memory_hog",
          [helper.make_node("ConstantOfShape", ["count"], ["many"], value=constant("one", numpy.array([1], "float32"))),
           helper.make_node("Neg", ["many"], ["negative"]),
           helper.make_node("ReduceSum", ["negative"], ["total"], keepdims=0),
           helper.make_node("Reshape", ["total", "shape"], ["y"])],
          [value("count", TensorProto.INT64, [1])], [value("y", TensorProto.FLOAT, [1])],
          [constant("shape", numpy.array([1], "int64"))])


def labels(folder):
    """Four scores; the classes have names."""
    write(folder, "labels", [helper.make_node("Softmax", ["x"], ["scores"], axis=1)],
          [value("x", TensorProto.FLOAT, ["batch", 4])], [value("scores", TensorProto.FLOAT, ["batch", 4])],
          config='name: "labels"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 8\n'
                 'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
                 'output [ { name: "scores" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" } ]\n')
    (folder / "labels" / "labels.txt").write_text("apple\nbanana\ncherry\ndate\n")


def others(folder):
    write(folder, "no_batch", [helper.make_node("Mul", ["x", "two"], ["y"])],
          [value("x", TensorProto.FLOAT, [2, 3])], [value("y", TensorProto.FLOAT, [2, 3])],
          [constant("two", numpy.float32(2))])
    write(folder, "scalar", [helper.make_node("Add", ["x", "one"], ["y"])],
          [value("x", TensorProto.FLOAT, [])], [value("y", TensorProto.FLOAT, [])], [constant("one", numpy.float32(1))])
    sequence = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    write(folder, "sequence_input", [helper.make_node("SequenceLength", ["parts"], ["count"])], [sequence],
          [value("count", TensorProto.INT64, [])])
    write(folder, "rank_nine", [helper.make_node("Identity", ["x"], ["y"])],
          [value("x", TensorProto.FLOAT, [1] * 9)], [value("y", TensorProto.FLOAT, [1] * 9)])


def external_data(folder):
    """Its weights lie in a file of their own."""
    weights = numpy.random.default_rng(3).standard_normal((64, 64)).astype("float32")
    tensor = constant("w", weights)
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "external_data",
                              [value("x", TensorProto.FLOAT, ["batch", 64])], [value("y", TensorProto.FLOAT, ["batch", 64])],
                              [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8,
                              producer_name="make_models")
    path = folder / "external_data" / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "weights.bin").unlink(missing_ok=True)
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location="weights.bin",
                    size_threshold=0)


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    mlp(folder)
    add(folder)
    identity(folder)
    dynamic_shape(folder)
    slow(folder)
    bad_content(folder)
    memory_hog(folder)
    labels(folder)
    others(folder)
    external_data(folder)
    whole = (folder / "add" / "1" / "model.onnx").read_bytes()
    put(folder, "broken", whole[:len(whole) // 2])


if __name__ == "__main__":
    main()
