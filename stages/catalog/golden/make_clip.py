#!/usr/bin/env python3
"""Writes a small CLIP as the hub lays it out, and the scores that torchmetrics gives with it.

    .oracle/bin/python stages/catalog/golden/make_clip.py

The model goes to examples/stable_diffusion/clip, the scores beside this script. Every parameter is
random and none is zero: its scores mean nothing. Made with torchmetrics 1.9.0, transformers 5.23.0,
torch 2.15.0.
"""

import json
import pathlib
import sys

import numpy
import torch
from safetensors.torch import save_file
from torchmetrics.multimodal.clip_score import CLIPScore
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../models/stable-diffusion/tests/parity"))

from make_golden import randomised  # noqa: E402
from make_stable_diffusion import store, vocabulary  # noqa: E402

CHECKPOINT = HERE / "../../../examples/stable_diffusion/clip"
TEXTS = ["Photo of an elephant, wow!!!", "A giraffe in the rain", "",
         "an elephant and a giraffe " * 30]
SHAPES = [(32, 32), (40, 30), (17, 50), (24, 24)]


class Features(CLIPModel):
    """What torchmetrics 1.9 expects: transformers 5 wraps features."""

    def get_text_features(self, *inputs, **more):
        """As a tensor."""
        return super().get_text_features(*inputs, **more).pooler_output

    def get_image_features(self, *inputs, **more):
        """As a tensor."""
        return super().get_image_features(*inputs, **more).pooler_output


def main():
    """All of it."""
    words, _ = vocabulary(CHECKPOINT)
    special = json.loads((CHECKPOINT / "special_tokens_map.json").read_text())
    special["pad_token"] = "<|endoftext|>"
    (CHECKPOINT / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n")
    tower = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "quick_gelu"}
    model = randomised(Features(CLIPConfig(
        text_config={"vocab_size": words, "hidden_size": 12, "intermediate_size": 20, "eos_token_id": words - 1,
                     "bos_token_id": words - 2, "pad_token_id": words - 1, "projection_dim": 10} | tower,
        vision_config={"image_size": 24, "patch_size": 8, "hidden_size": 16, "intermediate_size": 24,
                       "projection_dim": 10} | tower,
        projection_dim=10)), 12)
    # What checkpoints of the hub have; `store` writes halves, so the model must hold them.
    model = model.half().float()
    store(model, CHECKPOINT, "model")
    images = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    (CHECKPOINT / "preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24},
                    "image_mean": list(images.image_mean), "image_std": list(images.image_std)},
                   indent=1) + "\n")
    tokenizer = CLIPTokenizer.from_pretrained(CHECKPOINT, model_max_length=77, **special)
    processor = CLIPProcessor(images, tokenizer)

    metric = CLIPScore(model_name_or_path=lambda: (model.eval(), processor))
    random = numpy.random.default_rng(6)
    golden, scores = {}, []
    for number, ((width, height), text) in enumerate(zip(SHAPES, TEXTS)):
        # Blocks of colour: what resizing does to noise would hide the rest.
        blocks = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=numpy.uint8)
        image = torch.from_numpy(blocks.repeat(4, 0).repeat(4, 1)[:height, :width].copy())
        golden[f"image.{number}"] = image
        # Of a text that is too long, torchmetrics cuts the end token off, too, by which CLIP reads it.
        if len(text) < 200:
            metric.reset()
            scores.append(float(metric(image.permute(2, 0, 1), text)))
        with torch.no_grad():
            inputs = processor(text=[text], images=[image.permute(2, 0, 1)], return_tensors="pt",
                               padding=True, truncation=True, max_length=77)
            words = model.get_text_features(inputs["input_ids"], inputs["attention_mask"])
            pixels = model.get_image_features(inputs["pixel_values"])
        cosine = float(torch.nn.functional.cosine_similarity(words, pixels))
        golden[f"cosine.{number}"] = torch.tensor([cosine])
        print(text[:40], cosine)
    golden["torchmetrics"] = torch.tensor(scores)
    save_file(golden, HERE / "clip.safetensors")


if __name__ == "__main__":
    main()
