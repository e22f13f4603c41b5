"""Makes an int8 network of another, with the quantiser that ONNX Runtime's Python package brings.

Weights become signed bytes with a scale for each channel, activations unsigned bytes. Their scale is found in each run,
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

OPSET_MIN = 13  # Scales by channel mean something only from here on.
TYPES = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"}
# Without these the CPU adds pairs of products in sixteen bits, which eight-bit weights overflow: they get seven.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--operators", default="MatMul,Gemm,Gather,LSTM", help="kinds to quantise, with commas between")
    parser.add_argument("--calibration", type=pathlib.Path, help="folder of samples: scales of activations come from them")
    options = parser.parse_args()
    wanted = options.operators.split(",")
    common = {"op_types_to_quantize": wanted, "per_channel": True, "weight_type": QuantType.QInt8,
              "reduce_range": not has_wide_sums()}
    with tempfile.TemporaryDirectory(dir=options.target.parent) as place:
        folder = pathlib.Path(place)
        ready = with_constants_folded(with_opset(options.source, folder), folder)
        there = collections.Counter(node.op_type for node in onnx.load(str(ready)).graph.node)
        if not any(there[kind] for kind in wanted):
            sys.exit("it has none of the operators " + ", ".join(wanted))
        if options.calibration:
            quantize_static(str(ready), str(options.target), Samples(options.calibration), quant_format=QuantFormat.QDQ,
                            activation_type=QuantType.QUInt8, **common)
        else:
            quantize_dynamic(str(ready), str(options.target), extra_options={"MatMulConstBOnly": True}, **common)
    onnxruntime.InferenceSession(str(options.target), providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
