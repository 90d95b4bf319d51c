#!/usr/bin/env python3
"""Writes a small YOLO-World with its text encoder, and what ultralytics finds with both.

    YOLO_AUTOINSTALL=false .oracle/bin/python stages/catalog/golden/make_detector.py

Detector and text encoder go to examples/self_reward/detector and examples/self_reward/text_encoder, what is found in the
pictures of make_llava.py to detector.json beside this script. It is YOLO-World v2 but for its width, with the tokenizer
of examples/stable_diffusion. Every parameter is random and none is zero: it finds things at random. Made with
ultralytics 8.4.190, transformers 5.23.0, torch 2.15.0, opencv 5.0.0, pillow 13.0.0.
"""

import json
import pathlib
import shutil
import sys

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE / "../../../examples"
DETECTOR, TEXT = EXAMPLES / "self_reward/detector", EXAMPLES / "self_reward/text_encoder"
TOKENIZER = EXAMPLES / "stable_diffusion/checkpoint/tokenizer"

sys.path.insert(0, str(HERE / "../../models/yolo-world/tests/parity"))

import make_golden  # noqa: E402

WIDTH, DEPTH, MOST, CLASSES = 0.0625, 0.33, 1024, 8
WORDS = ["elephant", "giraffe"]
SIZES = [64, 128]
FLOOR = 0.01
SURER = 4.0


def stored(state):
    """What a checkpoint has: binary16, and none of what is computed from the sizes."""
    return {name: value.half().contiguous() for name, value in state.items()
            if value.is_floating_point() and ".dfl." not in name}


def detector():
    """The detector, in ultralytics."""
    make_golden.NETWORKS["small"] = (DEPTH, WIDTH, MOST)
    network = make_golden.build("small", half=True, built_for=CLASSES)
    head = network.model[-1]
    with torch.no_grad():
        for boxes, classes in zip(head.cv2, head.cv4):
            # Smaller boxes that are surer than those of the parity test, so that an image of 32 pixels has some.
            boxes[-1].weight.mul_(0.125)
            classes.bias.add_(SURER)
    return network


def text_encoder():
    """The text encoder, in transformers."""
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    model = CLIPTextModelWithProjection(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_attention_heads=4, num_hidden_layers=2,
        projection_dim=512, hidden_act="quick_gelu", bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=0)).eval()
    state = {name: value if name.endswith("position_ids")
             else make_golden.parameter(name, tuple(value.shape)).half().float()
             for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model, tokenizer


def folder(path, tensors, config):
    """A checkpoint's folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    """All of it."""
    network = detector()
    config = {"model_type": "yolo-world-v2", "depth": DEPTH, "width": WIDTH, "max_channels": MOST,
              "classes_at_build": CLASSES}
    folder(DETECTOR, stored(network.state_dict()), config)
    encoder, tokenizer = text_encoder()
    config = {"architectures": ["CLIPTextModelWithProjection"], **encoder.config.to_diff_dict()}
    names = {name if name.startswith("text_") else f"text_model.{name}": value
             for name, value in encoder.state_dict().items()}
    folder(TEXT, stored(names), config)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        if (TOKENIZER / name).exists():
            shutil.copy(TOKENIZER / name, TEXT / name)
    ids = [tokenizer(word).input_ids for word in WORDS]
    tokens = torch.tensor([row + [0] * (77 - len(row)) for row in ids])
    with torch.no_grad():
        features = torch.nn.functional.normalize(encoder(input_ids=tokens).text_embeds)
        found = {}
        for picture in sorted((HERE / "llava").glob("*.png")):
            pixels = numpy.asarray(Image.open(picture).convert("RGB"))
            for size in SIZES:
                boxes = make_golden.found(network, features, [pixels], size, FLOOR)[0]
                found[f"{picture.name} {size}"] = [
                    {"label": WORDS[int(row[5])], "confidence": row[4], "box": row[:4]} for row in boxes.tolist()]
                print(picture.name, size, len(boxes), boxes[:1])
    (HERE / "detector.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
