"""Writes the benchmarks' convolutions, with fixed weights: over 3x64x64 some 2 ms on one CPU, over 3x32x32 some 0.5 ms, growing
with the square of SIDE.

make_conv.py FOLDER SIDE [WIDTH]     writes FOLDER/1/model.onnx, with 64 channels (or WIDTH: 340 are 10 MB of weights); needs the
                                     packages onnx and numpy (tools/setup test)
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def weights(random, name, shape, fan_in):
    values = random.standard_normal(shape).astype(numpy.float32) / numpy.float32(fan_in**0.5)
    return numpy_helper.from_array(values, name)


def finish(name, nodes, shape_in, shape_out, initializers):
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape_out)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="cotenant-benchmarks")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def conv(side, width):
    random = numpy.random.Generator(numpy.random.PCG64(4))
    channels = [3, width // 2, width, width, width]
    nodes, initializers, value = [], [], "x"
    for i, (ins, outs) in enumerate(zip(channels, channels[1:])):
        initializers += [weights(random, f"w{i}", (outs, ins, 3, 3), ins * 9), weights(random, f"b{i}", (outs,), outs)]
        nodes.append(helper.make_node("Conv", [value, f"w{i}", f"b{i}"], [f"c{i}"], pads=[1, 1, 1, 1],
                                      strides=[1, 1] if i else [2, 2]))
        nodes.append(helper.make_node("Relu", [f"c{i}"], [f"r{i}"]))
        value = f"r{i}"
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["p"]))
    nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
    initializers += [weights(random, "w", (width, 10), width)]
    nodes.append(helper.make_node("MatMul", ["f", "w"], ["y"]))
    return finish("conv", nodes, ["batch", 3, side, side], ["batch", 10], initializers)


def main():
    path = pathlib.Path(sys.argv[1]) / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(conv(int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 64).SerializeToString(deterministic=True))
    part.rename(path)


main()
