"""Makes an int8 network of another, with the quantiser that ONNX Runtime's Python package brings.

Weights become bytes (signed, where the CPU is made for it) with a scale for each channel, activations unsigned bytes. Their scale is found in each run,
or, with --calibration, once from samples: then convolutions can be quantised too. `cotenant prepare --quantiser
tools/quantise` calls it, loads and measures the result, and compares its answers.
"""

import argparse
import collections
import json
import pathlib
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

TABLE_BYTES_MIN = 1 << 16  # Smaller ones are not worth three more operators.
OPSET_MIN = 13  # Scales by channel mean something only from here on.
TYPES = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}
# Without these the CPU adds pairs of products of signed weights in sixteen bits, which overflow; of unsigned ones it does not.
WIDE_SUMS = ("avx512_vnni", "avx_vnni", "asimddp")


class Samples(CalibrationDataReader):
    """What `cotenant measure-network --samples` wrote: `samples.json`, and a raw file for each tensor."""

    def __init__(self, folder):
        self.folder = folder
        self.left = json.loads((folder / "samples.json").read_text())

    def get_next(self):
        if not self.left:
            return None
        return {tensor["name"]: self.values(tensor) for tensor in self.left.pop(0)}

    def values(self, tensor):
        kind = TYPES.get(tensor["datatype"], tensor["datatype"].lower())
        return numpy.fromfile(self.folder / tensor["file"], kind).reshape(tensor["shape"])


def has_wide_sums():
    facts = pathlib.Path("/proc/cpuinfo")
    return not facts.exists() or any(name in facts.read_text() for name in WIDE_SUMS)


def with_constants_folded(source, folder):
    """Weights that a graph computes from others (a cast, a scale) are constants afterwards."""
    target = folder / "folded.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return target


def with_opset(source, folder):
    model = onnx.load(str(source))
    own = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if own >= OPSET_MIN:
        return source
    target = folder / "converted.onnx"
    onnx.save(onnx.version_converter.convert_version(model, OPSET_MIN), str(target))
    return target


def with_tables_quantised(source, folder):
    """Tables that only Gather reads become signed bytes with a scale for each row, which a scale for the whole table would
    be too coarse for: Gather(table) is then Cast(Gather(bytes)) * Gather(scales). How many there were."""
    model = onnx.load(str(source))
    graph = model.graph
    readers = collections.defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    count = 0
    for tensor in list(graph.initializer):
        nodes = readers[tensor.name]
        first = [node.op_type == "Gather" and node.input[0] == tensor.name
                 and all(entry.i == 0 for entry in node.attribute if entry.name == "axis") for node in nodes]
        if not nodes or not all(first) or tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) != 2:
            continue
        table = onnx.numpy_helper.to_array(tensor)
        if table.nbytes < TABLE_BYTES_MIN:
            continue
        scales = numpy.maximum(numpy.abs(table).max(axis=1, keepdims=True), 1e-30).astype("float32") / numpy.float32(127)
        rows = numpy.clip(numpy.round(table / scales), -127, 127).astype("int8")
        graph.initializer.remove(tensor)
        graph.initializer.extend([onnx.numpy_helper.from_array(rows, tensor.name + "_rows"),
                                  onnx.numpy_helper.from_array(scales, tensor.name + "_scales")])
        for node in nodes:
            made = [onnx.helper.make_node("Gather", [tensor.name + "_rows", node.input[1]], [node.output[0] + "_rows"]),
                    onnx.helper.make_node("Cast", [node.output[0] + "_rows"], [node.output[0] + "_values"],
                                          to=onnx.TensorProto.FLOAT),
                    onnx.helper.make_node("Gather", [tensor.name + "_scales", node.input[1]], [node.output[0] + "_scales"]),
                    onnx.helper.make_node("Mul", [node.output[0] + "_values", node.output[0] + "_scales"], [node.output[0]])]
            place = list(graph.node).index(node)
            graph.node.remove(node)
            for number, one in enumerate(made):
                graph.node.insert(place + number, one)
        count += 1
    target = folder / "tables.onnx"
    onnx.save(model, str(target))
    return target, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--operators", default="MatMul,Gemm,Gather,LSTM", help="kinds to quantise, with commas between")
    parser.add_argument("--calibration", type=pathlib.Path, help="folder of samples: scales of activations come from them")
    options = parser.parse_args()
    wanted = options.operators.split(",")
    common = {"op_types_to_quantize": wanted, "per_channel": True,
              "weight_type": QuantType.QInt8 if has_wide_sums() else QuantType.QUInt8}
    with tempfile.TemporaryDirectory(dir=options.target.parent) as place:
        folder = pathlib.Path(place)
        ready = with_constants_folded(with_opset(options.source, folder), folder)
        tables = 0
        if "Gather" in wanted:
            ready, tables = with_tables_quantised(ready, folder)
            wanted.remove("Gather")
        there = collections.Counter(node.op_type for node in onnx.load(str(ready)).graph.node)
        if not any(there[kind] for kind in wanted):
            if tables:
                ready.rename(options.target)
                return
            sys.exit("it has none of the operators " + options.operators.replace(",", ", "))
        if options.calibration:
            quantize_static(str(ready), str(options.target), Samples(options.calibration), quant_format=QuantFormat.QDQ,
                            activation_type=QuantType.QUInt8, **common)
        else:
            quantize_dynamic(str(ready), str(options.target), extra_options={"MatMulConstBOnly": True}, **common)
    onnxruntime.InferenceSession(str(options.target), providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
