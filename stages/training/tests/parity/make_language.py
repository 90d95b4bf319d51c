#!/usr/bin/env python3
"""Writes golden/language.safetensors and golden/language.json: what transformers says of texts, and of answers to
questions about images.

    .oracle/bin/python stages/training/tests/parity/make_language.py

The models are those of models/mistral and models/llava. Every text goes through its model by itself. Gradients are in
half precision, each parameter's scaled to 1, since the whole of them is large; their scales are not.
Made with transformers 5.23.0 and torch 2.15.0.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, LlavaForConditionalGeneration, LlavaNextForConditionalGeneration)

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
MODELS = HERE / "../../../models"
IMAGE, VOCABULARY = 96, 96
TENSORS, CASES = {}, {}


def drawn(generator, count):
    return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()


def summed(model, tokens, counts, **more):
    """The cross-entropies of the tokens that count, and how many they are."""
    logits = model(input_ids=torch.tensor([tokens]), **more).logits[0]
    right = [place for place in range(1, len(tokens)) if counts[place]]
    losses = torch.nn.functional.cross_entropy(logits[[place - 1 for place in right]],
                                               torch.tensor([tokens[place] for place in right]), reduction="sum")
    return losses, len(right)


def hub_name(name):
    """What the hub calls a tensor of a LLaVA that transformers 5 calls so."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    name = name.removeprefix("model.")
    for new, old in (("language_model.", "language_model.model."), ("vision_tower.", "vision_tower.vision_model.")):
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def keep(case, model, parts, named):
    """The loss over all parts, and all gradients."""
    loss = sum(losses for losses, _ in parts) / sum(count for _, count in parts)
    loss.backward()
    scales = {}
    for name, parameter in model.named_parameters():
        # Some parts have no say, such as the tower's last layer where that is not used.
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        scale = gradient.abs().max().item()
        scales[named(name)] = scale
        TENSORS[f"{case}.{named(name)}"] = (gradient / scale if scale > 0 else gradient).half().contiguous()
    CASES[case] |= {"loss": loss.item(), "scales": scales}


def language(case, seed):
    model = AutoModelForCausalLM.from_pretrained(MODELS / "mistral/tests/parity/golden" / case, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    lessons = []
    for rows, begins in ((9, 4), (5, 0), (14, 13), (2, 1), (9, 2)):
        counts = [place >= begins for place in range(rows)]
        lessons.append({"tokens": drawn(generator, rows), "counts": counts})
    # Holes among what counts.
    lessons[4]["counts"][5] = False
    CASES[case] = {"lessons": lessons}
    keep(case, model, [summed(model, **lesson) for lesson in lessons], str)


def judge(case, kind, seed):
    model = kind.from_pretrained(MODELS / "llava/tests/parity/golden" / case, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed)
    is_next = case == "llava-next"
    asked, parts = [], []
    for index, (height, width, tiles, questions) in enumerate(((28, 28, 3, 2), (20, 56, 3, 1), (56, 28, 3, 3))):
        pixels = torch.randn((tiles if is_next else 1, 3, 28, 28), generator=generator)
        more = {"pixel_values": pixels[None] if is_next else pixels}
        if is_next:
            more["image_sizes"] = torch.tensor([[height, width]])
            features = model.get_image_features(**more).pooler_output[0]
        else:
            features = model.get_image_features(**more).pooler_output[0]
        beginning = drawn(generator, 3) + [IMAGE]
        lessons = []
        for question in range(questions):
            rows = 3 + 4 * question + index
            lesson = {"tokens": drawn(generator, rows), "counts": [place >= rows - 2 for place in range(rows)]}
            if index == 1:
                # The first token after the image counts, too.
                lesson["counts"][0] = True
            lessons.append(lesson)
            before = beginning[:3] + [IMAGE] * len(features)
            parts.append(summed(model, before + lesson["tokens"], [False] * len(before) + lesson["counts"], **more))
        TENSORS[f"{case}.pixels.{index}"] = pixels
        asked.append({"size": [height, width], "beginning": beginning, "questions": lessons})
    CASES[case] = {"asked": asked}
    keep(case, model, parts, hub_name)


def main():
    language("mistral", 1)
    language("llama-tied", 2)
    judge("llava", LlavaForConditionalGeneration, 3)
    judge("llava-next", LlavaNextForConditionalGeneration, 4)
    save_file(TENSORS, GOLDEN / "language.safetensors")
    (GOLDEN / "language.json").write_text(json.dumps(CASES) + "\n")


if __name__ == "__main__":
    main()
