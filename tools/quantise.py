"""Makes an int8 network of another, with the quantiser that ONNX Runtime's Python package brings.

Weights become signed bytes with a scale for each channel; activations become unsigned bytes with a scale that is found
in each run, so that no calibration data is needed. `cotenant prepare --quantiser tools/quantise` calls it, loads and
measures the result, and compares its answers.
"""

import argparse
import collections
import pathlib
import sys
import tempfile

import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

OPSET_MIN = 13  # Scales by channel mean something only from here on.


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
    options = parser.parse_args()
    wanted = options.operators.split(",")
    with tempfile.TemporaryDirectory(dir=options.target.parent) as place:
        folder = pathlib.Path(place)
        ready = with_constants_folded(with_opset(options.source, folder), folder)
        there = collections.Counter(node.op_type for node in onnx.load(str(ready)).graph.node)
        if not any(there[kind] for kind in wanted):
            sys.exit("it has none of the operators " + ", ".join(wanted))
        quantize_dynamic(str(ready), str(options.target), op_types_to_quantize=wanted, per_channel=True,
                         weight_type=QuantType.QInt8, extra_options={"MatMulConstBOnly": True})
    onnxruntime.InferenceSession(str(options.target), providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
