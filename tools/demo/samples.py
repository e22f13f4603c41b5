"""The demo's real inputs as files, for `cotenant prepare --data`: what each network is measured, compared and calibrated
with. They are what the demo sends, taken while ONNX Runtime's Python package answers.
"""

import functools
import pathlib
import shutil

import numpy as np
import onnxruntime

import networks

SAMPLES_MAX = 24  # Of each network, evenly over what the demo sends.


class Recorder:
    """Answers as a server would, and keeps what was asked."""

    def __init__(self, models):
        self.models = models
        self.sessions = {}
        self.asked = {}

    def __call__(self, model, inputs, outputs, classes=0):
        if model not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            self.sessions[model] = onnxruntime.InferenceSession(str(next((self.models / model).rglob("model.onnx"))), options)
        self.asked.setdefault(model, []).append(inputs)
        answers = dict(zip(outputs, self.sessions[model].run(outputs, inputs)))
        if classes:  # As the classification extension writes them; their names do not matter here.
            return {name: np.array([b"0:0:-"], object) for name in answers}
        return answers


def write_sample(folder, inputs):
    folder.mkdir(parents=True)
    for name, value in inputs.items():
        dims = "x".join(str(dim) for dim in value.shape)
        (folder / (name.replace("/", "_") + (f".{dims}" if dims else ""))).write_bytes(value.tobytes())


def write(models, inputs, folder, characters):
    """Once: a later run finds them."""
    if folder.exists():
        return
    recorder = Recorder(pathlib.Path(models))
    boxes = networks.line_boxes(recorder)
    for task in [
        networks.voice_activity,
        networks.file_types,
        networks.text_detection,
        functools.partial(networks.text_direction, boxes=boxes),
        functools.partial(networks.text_recognition, boxes=boxes, characters=characters),
        networks.sentence_embedding,
        networks.music,
    ]:
        task(recorder, inputs=inputs)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for model, asked in recorder.asked.items():
        step = max(len(asked) / SAMPLES_MAX, 1)
        for number in range(min(len(asked), SAMPLES_MAX)):
            write_sample(part / model / f"{number:03}", asked[int(number * step)])
    part.rename(folder)
