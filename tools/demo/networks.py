"""The demo's seven networks: real inputs in, what they recognised out.

Each function drives one network through `call` and returns what it recognised in one line of text,
and whether that is what was expected. `call(model, inputs, outputs, classes=0)` sends one request,
with numpy arrays, and returns the outputs by name; with `classes` the server answers with the names
of so many best classes. So the same code runs over HTTP, gRPC, and anything else that can answer.
"""

import functools
import json
import math
import pathlib
import sys
import wave
import zipfile

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import tokenizers

# What the picture says that the text networks read.
RECEIPT = [
    "CAFE CENTRAL",
    "Espresso 2 x 2.40",
    "Apple cake 3.90",
    "Total EUR 8.70",
    "22.11.2026 14:35",
]

SENTENCES = [
    "A cat is sleeping on the sofa.",
    "The kitten naps on the couch.",
    "The central bank raised its interest rate.",
    "Borrowing money became more expensive today.",
    "How do I reset my password?",
    "I cannot log in to my account any more.",
]

CHORD = {"A3": 220.00, "C#4": 277.18, "E4": 329.63}
PITCH_NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


# ---- voice activity ------------------------------------------------------------------------------


def read_speech(inputs):
    """Half a minute of a telephone call (16 kHz), and for each second tenth whether someone speaks,
    as people marked it.
    """
    with wave.open(str(inputs / "speech.wav")) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(clip.readframes(clip.getnframes()), np.int16) / np.float32(32768)
    spoken = []
    for line in (inputs / "speech.rttm").read_text().splitlines():
        start, duration = line.split()[3:5]
        spoken.append((float(start), float(start) + float(duration)))
    return samples, spoken


def voice_activity(call, inputs):
    """One request for each 32 ms of sound; the network's state travels with the requests, as its
    authors mean it to.
    """
    samples, spoken = read_speech(inputs)
    state = np.zeros((2, 1, 128), np.float32)
    context = np.zeros(64, np.float32)
    frames = len(samples) // 512
    agreed = heard = 0
    for frame in range(frames):
        chunk = samples[frame * 512 : (frame + 1) * 512]
        answer = call(
            "silero_vad",
            {
                "input": np.concatenate([context, chunk])[None],
                "state": state,
                "sr": np.array(16000, np.int64),
            },
            ["output", "stateN"],
        )
        state, context = answer["stateN"], chunk[-64:]
        middle = (frame + 0.5) * 0.032
        speech = bool(answer["output"][0, 0] >= 0.5)
        heard += speech
        agreed += speech == any(start <= middle < end for start, end in spoken)
    share = agreed / frames
    return (
        f"speech in {heard * 0.032:.1f} of {frames * 0.032:.1f} s; "
        f"{share:.0%} of the frames as people marked them",
        share >= 0.85,
    )


# ---- file types ----------------------------------------------------------------------------------


def sample_files(folder):
    """Real files of this machine with the type that each must be recognised as; a few are made
    here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    receipt_picture().save(folder / "receipt.png")
    receipt_picture().save(folder / "receipt.jpg")
    with zipfile.ZipFile(folder / "sources.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(__file__, "networks.py")
    files = [
        (pathlib.Path(__file__), "python"),
        (pathlib.Path(json.__file__), "python"),
        (folder / "receipt.png", "png"),
        (folder / "receipt.jpg", "jpeg"),
        (folder / "sources.zip", "zip"),
        (pathlib.Path(sys.executable).resolve(), "elf"),
    ]
    root = pathlib.Path(__file__).resolve().parents[2]
    for name, kind in [
        ("Makefile", "makefile"),
        ("CMakeLists.txt", "cmake"),
        ("README.md", "markdown"),
        (".ci/run", "shell"),
        ("src/base/result.h", "cpp"),
    ]:
        files.append((root / name, kind))
    files += [(pathlib.Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"), "ttf")]
    return [(path, kind) for path, kind in files if path.exists()]


def file_bytes(path, config):
    """The first and last kilobyte without surrounding blanks, as magika's configuration says."""
    data = path.read_bytes()
    first = data[: config["block_size"]].lstrip()[: config["beg_size"]]
    last = data[-config["block_size"] :].rstrip()[-config["end_size"] :]
    row = np.full(config["beg_size"] + config["end_size"], config["padding_token"], np.int32)
    row[: len(first)] = np.frombuffer(first, np.uint8)
    if last:
        row[-len(last) :] = np.frombuffer(last, np.uint8)
    return row[None]


def file_types(call, inputs):
    """The server names the class: the classification extension with the model's labels."""
    config = json.loads((inputs / "magika.json").read_text())
    files = sample_files(inputs.parent / "files")
    right, seen = 0, []
    for path, expected in files:
        answer = call("magika", {"bytes": file_bytes(path, config)}, ["target_label"], classes=1)
        kind = answer["target_label"].reshape(-1)[0].decode().split(":")[2]
        right += kind == expected
        if kind not in seen:
            seen.append(kind)
    return f"{right} of {len(files)} files right: {', '.join(seen)}", right >= len(files) - 2


# ---- text in pictures ----------------------------------------------------------------------------


@functools.cache
def receipt_picture():
    """The receipt, drawn with a real font, slightly grey: 448 x 288 pixels, sides that are
    multiples of 32.
    """
    picture = PIL.Image.new("RGB", (448, 288), (236, 232, 224))
    draw = PIL.ImageDraw.Draw(picture)
    try:
        font = PIL.ImageFont.truetype("DejaVuSans.ttf", 26)
    except OSError:
        font = PIL.ImageFont.load_default(26)
    for row, line in enumerate(RECEIPT):
        draw.text((28, 20 + row * 52), line, fill=(40, 38, 44), font=font)
    return picture


def text_boxes(heat):
    """Boxes of the text lines in the detector's map, top to bottom.

    The receipt's lines are level, so cutting by empty rows suffices, where general text would need
    contours. The network marks the inside of each line only; the box grows by area * 1.6 /
    circumference, as the network was trained.
    """
    marked = heat > 0.3
    boxes = []
    rows = np.flatnonzero(np.diff(np.concatenate([[0], marked.any(axis=1).astype(np.int8), [0]])))
    for top, bottom in rows.reshape(-1, 2):
        columns = np.flatnonzero(marked[top:bottom].any(axis=0))
        left, right = columns[0], columns[-1] + 1
        width, height = right - left, bottom - top
        if height < 4:
            continue
        grow = math.ceil(width * height * 1.6 / (2 * (width + height)))
        boxes.append(
            (
                max(left - grow, 0),
                max(top - grow, 0),
                min(right + grow, heat.shape[1]),
                min(bottom + grow, heat.shape[0]),
            )
        )
    return boxes


def picture_tensor(picture):
    """Pixels between -1 and 1, blue first, as [1, 3, height, width]."""
    pixels = np.asarray(picture, np.float32)[:, :, ::-1] / 127.5 - 1
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def text_detection(call, inputs):
    answer = call("ppocr_det", {"x": picture_tensor(receipt_picture())}, ["fetch_name_0"])
    boxes = text_boxes(answer["fetch_name_0"][0, 0])
    return f"{len(boxes)} text lines of {len(RECEIPT)} in a picture of 448 x 288", len(
        boxes
    ) == len(RECEIPT)


def line_boxes(call):
    """Where the lines of the receipt are, as the detection network says."""
    answer = call("ppocr_det", {"x": picture_tensor(receipt_picture())}, ["fetch_name_0"])
    return text_boxes(answer["fetch_name_0"][0, 0])


def line_picture(box, height=48):
    line = receipt_picture().crop(box)
    return line.resize(
        (max(round(line.width * height / line.height), 1), height), PIL.Image.Resampling.BILINEAR
    )


def text_direction(call, inputs, boxes):
    """Each line upright and upside down; the network's second class is `turned by 180 degrees`."""
    right = 0
    for box in boxes:
        for turned in (0, 1):
            canvas = PIL.Image.new("RGB", (192, 48), (127, 127, 127))
            line = line_picture(box)
            line = line.rotate(180) if turned else line
            canvas.paste(line.crop((0, 0, min(line.width, 192), 48)))
            scores = call(
                "ppocr_cls", {"x": picture_tensor(canvas)}, ["save_infer_model/scale_0.tmp_1"]
            )
            right += int(np.argmax(scores["save_infer_model/scale_0.tmp_1"][0])) == turned
    return f"{right} of {2 * len(boxes)} lines: upright or upside down", right >= 1.6 * len(boxes)


def text_recognition(call, inputs, boxes, characters):
    """Greedy reading of the network's columns: the likeliest character of each, repeats and blanks
    dropped.
    """
    read = []
    for box in boxes:
        scores = call("ppocr_rec", {"x": picture_tensor(line_picture(box))}, ["fetch_name_0"])[
            "fetch_name_0"
        ][0]
        best = np.argmax(scores, axis=1)
        kept = [
            index
            for index, before in zip(best, np.concatenate([[-1], best]))
            if index != before and index
        ]
        read.append("".join(characters[index] for index in kept))
    exact = sum(line == expected for line, expected in zip(read, RECEIPT))
    return f"{exact} of {len(RECEIPT)} lines exact: " + " | ".join(read), exact >= len(RECEIPT) - 1


# ---- sentences -----------------------------------------------------------------------------------


def sentence_embedding(call, inputs):
    """Mean of the token vectors, scaled to length one; each sentence's nearest other must be its
    paraphrase.
    """
    tokenizer = tokenizers.Tokenizer.from_file(str(inputs / "tokenizer.json"))
    tokenizer.no_padding()
    vectors = []
    for sentence in SENTENCES:
        tokens = tokenizer.encode(sentence)
        ids = np.array([tokens.ids], np.int64)
        answer = call(
            "minilm",
            {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            },
            ["last_hidden_state"],
        )
        mean = answer["last_hidden_state"][0].mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    alike = np.array(vectors) @ np.array(vectors).T
    pairs = [alike[i, i ^ 1] for i in range(len(SENTENCES))]
    others = [
        alike[i, j]
        for i in range(len(SENTENCES))
        for j in range(len(SENTENCES))
        if i // 2 != j // 2
    ]
    np.fill_diagonal(alike, -1)
    right = sum(int(np.argmax(alike[i])) == i ^ 1 for i in range(len(SENTENCES)))
    return (
        f"{right} of {len(SENTENCES)} sentences: nearest is the paraphrase "
        f"(cosine {np.mean(pairs):.2f}, others {np.mean(others):.2f})"
    ), right >= len(SENTENCES) - 1


# ---- music ---------------------------------------------------------------------------------------


def chord_sound():
    """Two seconds of an A major triad (22.05 kHz), synthesised: each note with six fading
    harmonics.
    """
    time = np.arange(43844) / 22050
    sound = sum(
        0.5**harmonic * np.sin(2 * np.pi * pitch * harmonic * time)
        for pitch in CHORD.values()
        for harmonic in range(1, 7)
    )
    envelope = np.minimum(time / 0.02, 1) * np.exp(-time / 1.2) * (time < 1.9)
    sound = sound * envelope
    return (0.7 * sound / np.abs(sound).max()).astype(np.float32)[None, :, None]


def music(call, inputs):
    """Notes that sound for at least a quarter of a second; the piano's lowest key, A0, is the
    network's note 0.
    """
    answer = call(
        "basic_pitch", {"serving_default_input_2:0": chord_sound()}, ["StatefulPartitionedCall:1"]
    )
    sounding = (answer["StatefulPartitionedCall:1"][0] > 0.5).sum(axis=0)
    names = [
        f"{PITCH_NAMES[(key + 9) % 12]}{(key + 9) // 12}"
        for key in np.flatnonzero(sounding > 0.25 * 86)
    ]
    return f"heard {' '.join(names) or 'nothing'} in a synthesised A major chord", set(
        names
    ) == set(CHORD)
