#!/usr/bin/env python3
"""Writes golden/: what ultralytics computes with weights and images that a formula makes.

    YOLO_AUTOINSTALL=false .oracle/bin/python stages/models/yolo-world/tests/parity/make_golden.py

The same formula is in `formula.rs`: no weights are stored, and networks of full size can be compared. Every parameter is
random and none is zero, statistics of normalisation neither. Made with ultralytics 8.4.190, torch 2.15.0, opencv 5.0.0,
transformers 5.23.0. ultralytics is AGPL-3.0: it is run, and nothing of it is copied.
"""

import importlib.machinery
import json
import pathlib
import sys
import tempfile
import types

import numpy
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

# ultralytics wants OpenAI's package at import, and needs nothing of it where text features are given.
sys.modules["clip"] = types.ModuleType("clip")
sys.modules["clip"].__spec__ = importlib.machinery.ModuleSpec("clip", None)

from ultralytics import YOLOWorld  # noqa: E402
from ultralytics.data.augment import LetterBox  # noqa: E402
from ultralytics.nn.tasks import WorldModel, yaml_model_load  # noqa: E402

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
#: Networks: depth, width, most channels.
NETWORKS = {"tiny": (0.33, 0.25, 1024), "odd": (0.67, 0.375, 768), "s": (0.33, 0.5, 1024)}
#: Images, width and height.
IMAGES = {"square": (512, 512), "exact": (640, 640), "tall": (300, 512), "flat": (1200, 33), "halved": (1280, 1280),
          "quirk": (999, 150)}


def formula(name, shape):
    """Numbers in [-1, 1) by the name of what they are for, binary64."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    count = int(numpy.prod(shape, dtype=numpy.int64))
    x = numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B9) + numpy.uint64(seed)
    x = (x & numpy.uint64(0xFFFFFFFF)).astype(numpy.uint32)
    x ^= x >> numpy.uint32(16)
    x *= numpy.uint32(0x7FEB352D)
    x ^= x >> numpy.uint32(15)
    x *= numpy.uint32(0x846CA68B)
    x ^= x >> numpy.uint32(16)
    return ((x >> numpy.uint32(8)).astype(numpy.float64) / 2**23 - 1).reshape(shape)


def parameter(name, shape):
    """A parameter's numbers, binary32."""
    if name.endswith(".logit_scale"):
        offset, factor = 2.3, 0.3
    elif ".cv4." in name and name.endswith(".bias") and ".norm." not in name:
        offset, factor = -5.0, 0.5
    elif name.endswith(".running_var"):
        offset, factor = 1.0, 0.5
    elif name.endswith((".bn.weight", ".norm.weight")):
        offset, factor = 1.0, 0.3
    elif name.endswith(".gl.weight"):
        offset, factor = 0.0, 2.0
    elif ".22.cv2." in name and name.endswith(".2.weight"):
        offset, factor = 0.0, (1000.0 / float(numpy.prod(shape[1:]))) ** 0.5
    elif name.endswith(".weight"):
        offset, factor = 0.0, (5.0 / float(numpy.prod(shape[1:]))) ** 0.5
    else:
        offset, factor = 0.0, 0.1
    return torch.from_numpy(numpy.asarray(offset + factor * formula(name, shape), numpy.float32))


def texts(count):
    """Text features, nearly of length 1."""
    return torch.from_numpy((formula("texts", (81, 512)) * 0.08).astype(numpy.float32))[:count]


def image(width, height):
    """A picture of gradients, stripes and noise, `[height, width, 3]`, red first."""
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    noise = ((formula("noise", (height, width, 3)) + 1) * 20).astype(numpy.int64)
    value = (x * (3 + c) // 4 + y * (5 - c) // 6 + ((x // 24 + y // 40) % 3) * 40 + noise) % 256
    return value.astype(numpy.uint8)


def build(name, half=False, built_for=80):
    """A network of ultralytics' with weights by the formula."""
    depth, width, most = NETWORKS[name]
    yaml = yaml_model_load("yolov8s-worldv2.yaml")
    yaml["scales"] = {"s": [depth, width, most]}
    model = WorldModel(yaml, ch=3, nc=built_for, verbose=False)
    state = {key: value if key.endswith("num_batches_tracked") or ".dfl." in key else parameter(key, tuple(value.shape))
             for key, value in model.state_dict().items()}
    if half:
        state = {key: value.half().float() if value.is_floating_point() else value for key, value in state.items()}
    model.load_state_dict(state)
    return model.eval()


def raw(model, classes, pixels):
    """Numbers of boxes and scores as the head has them, before anything is made of them."""
    model.txt_feats = texts(classes)[None]
    model.model[-1].nc = classes
    _, raw = model(pixels)
    return raw["boxes"], raw["scores"]


def detect(name, classes, pictures, size, floor=0.01, half=False):
    """What ultralytics' predictor finds in images, each alone: `[count, 6]`, bounds, confidence, class."""
    return found(build(name, half), texts(classes), pictures, size, floor)


def found(model, features, pictures, size, floor):
    """The same of a network, for classes by their text features."""
    model.txt_feats = features[None]
    model.model[-1].nc = len(features)
    model.names = {index: str(index) for index in range(len(features))}
    detector = YOLOWorld("yolov8s-worldv2.yaml")
    detector.model = model
    answers = []
    for picture in pictures:
        # Pictures are blue first there.
        answer = detector.predict(numpy.ascontiguousarray(picture[..., ::-1]), imgsz=size, conf=floor, iou=0.7,
                                  max_det=300, device="cpu", verbose=False, save=False)
        answers.append(answer[0].boxes.data)
    return answers


def letterboxes():
    """What letter boxes are made of images: width, height, size, the box's width and height, a hash of its bytes."""
    sides = [*IMAGES.values(), (640, 1280), (1280, 640), (101, 200), (5, 7), (3000, 1), (1, 3000), (1279, 1281), (1000, 1500),
             (1080, 1920), (1, 1), (641, 639), (639, 641), (256, 256), (257, 255), (100, 60)]
    for size in (640, 128):
        for width, height in sides:
            y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
            picture = ((x * 7 + y * 13 + c * 29 + x * y) % 256).astype(numpy.uint8)
            box = LetterBox(size, auto=True, stride=32)(image=picture)
            digest = 2166136261
            for byte in box.tobytes():
                digest = (digest ^ byte) * 16777619 % 2**32
            yield f"{width} {height} {size} {box.shape[1]} {box.shape[0]} {digest}\n"


NAMES = ["elephant", "a person riding a horse", "Traffic  LIGHT", "salt & pepper", "\"teddy\" bear", "",
         "elephant " * 100]


def text_features():
    """What transformers makes of names, cleaned as OpenAI would. The vocabulary is that of CLIP's tests."""
    merges = HERE.parents[2] / "clip/tests/parity/golden/merges.txt"
    bytes_ = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in bytes_] + [chr(256 + index) for index in range(256 - len(bytes_))]
    words = symbols + [symbol + "</w>" for symbol in symbols]
    words += [line.replace(" ", "") for line in merges.read_text().splitlines()[1:]]
    words += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
        (folder / "merges.txt").write_text(merges.read_text())
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    ids = [tokenizer(name, truncation=True, max_length=77).input_ids for name in NAMES]
    tokens = torch.tensor([row + [0] * (77 - len(row)) for row in ids])
    model = CLIPTextModelWithProjection(CLIPTextConfig(
        hidden_size=64, intermediate_size=96, num_attention_heads=4, num_hidden_layers=3, projection_dim=512,
        hidden_act="quick_gelu", eos_token_id=2)).eval()
    state = {}
    for name, value in model.state_dict().items():
        hub = name if name.startswith("text_") else f"text_model.{name}"
        state[name] = value if name.endswith("position_ids") else parameter(hub, tuple(value.shape))
    model.load_state_dict(state)
    return torch.nn.functional.normalize(model(input_ids=tokens).text_embeds)


def main():
    """All of it."""
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "letterboxes.txt").write_text("".join(letterboxes()))
    expected = {}
    with torch.no_grad():
        expected["texts"] = text_features()
        small = image(64, 64)
        pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        for name in ("tiny", "odd"):
            model = build(name)
            for classes in (1, 80) if name == "tiny" else (81,):
                boxes, scores = raw(model, classes, pixels)
                print(name, classes, "boxes", boxes.std(), "scores", scores.mean(), scores.std())
                expected[f"{name}.{classes}.boxes"], expected[f"{name}.{classes}.scores"] = boxes, scores
    for classes in (1, 2, 80, 81):
        for size in (128, 320):
            expected[f"tiny.{classes}.{size}"] = detect("tiny", classes, [image(300, 212)], size)[0]
    expected["odd.80.320"] = detect("odd", 80, [image(300, 212)], 320)[0]
    expected["half.80.320"] = detect("tiny", 80, [image(300, 212)], 320, half=True)[0]
    for picture, found in zip(IMAGES, detect("tiny", 80, [image(*sides) for sides in IMAGES.values()], 640)):
        expected[f"tiny.80.640.{picture}"] = found
    expected["s.80.640"] = detect("s", 80, [image(512, 512)], 640)[0]
    for name, tensor in expected.items():
        if tensor.shape[1] == 6:
            classes = tensor[:, 5].unique().numel()
            print(name, len(tensor), classes, tensor[:, 4].max().item(), tensor[:, 4].min().item(), tensor[0])
    save_file({key: value.contiguous() for key, value in expected.items()}, GOLDEN / "expected.safetensors")


if __name__ == "__main__":
    main()
