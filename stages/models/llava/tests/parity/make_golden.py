#!/usr/bin/env python3
"""Writes golden/: small LLaVA checkpoints as the hub lays them out, pictures, and what transformers makes
of both.

    .oracle/bin/python stages/models/llava/tests/parity/make_golden.py

Every parameter is random and none is zero. Made with transformers 5.23.0, torch 2.15.0, pillow 13.0.0.
Images are read by `transformers.image_utils.load_image` and prepared by the PIL image processors; those
on torchvision round otherwise.
"""

import json
import pathlib
import shutil

import numpy
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import (LlavaConfig, LlavaForConditionalGeneration, LlavaNextConfig,
                          LlavaNextForConditionalGeneration)
from transformers.image_utils import load_image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
PICTURES = GOLDEN / "pictures"

MEAN = [0.48145466, 0.4578275, 0.40821073]
DEVIATION = [0.26862954, 0.26130258, 0.27577711]
VISION = {"model_type": "clip_vision_model", "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 4,
          "num_hidden_layers": 3, "image_size": 28, "patch_size": 7, "projection_dim": 20, "vocab_size": 99}
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
# As llava-v1.6-mistral-7b-hf has it, but for sizes.
NEXT = {"architectures": ["LlavaNextForConditionalGeneration"], "model_type": "llava_next", "ignore_index": -100,
        "image_grid_pinpoints": PINPOINTS, "image_token_index": 96, "pad_token_id": 97, "vocab_size": 99,
        "projector_hidden_act": "gelu", "tie_word_embeddings": False, "use_image_newline_parameter": True,
        "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vision_config": VISION,
        "text_config": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 32,
                        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                        "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
                        "rope_theta": 1000000.0, "sliding_window": None, "vocab_size": 99}}
# As llava-1.5-7b-hf has it, but for sizes.
PLAIN = {"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "ignore_index": -100,
         "image_token_index": 96, "pad_token_id": 97, "vocab_size": 99, "projector_hidden_act": "gelu",
         "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vision_config": VISION,
         "text_config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32,
                         "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                         "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "vocab_size": 99}}
PREPARED = {"do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
            "do_resize": True, "image_mean": MEAN, "image_std": DEVIATION, "resample": 3,
            "rescale_factor": 0.00392156862745098, "crop_size": {"height": 28, "width": 28},
            "size": {"shortest_edge": 28}}
# Height and width of pictures of full size: shrunk and enlarged, wide and tall, and a single row.
FULL_SIZES = [(512, 512), (333, 500), (1000, 300), (1080, 1920), (1, 1000)]
PROMPT = [1, 5, 17, 96, 23, 42, 8]


def hub_name(name):
    """What the hub calls a tensor that transformers 5 calls so."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    name = name.removeprefix("model.")
    for new, old in (("language_model.", "language_model.model."), ("vision_tower.", "vision_tower.vision_model.")):
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def randomised(model, seed):
    """Random numbers for every parameter, none of them zero, in binary16 and by the hub's names."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, parameter in model.named_parameters():
        value = torch.randn(parameter.shape, generator=generator) * 0.3
        value += 0.02 * torch.sign(value)
        if "norm" in name and name.endswith("weight"):
            value += 1
        assert (value.half() != 0).all(), name
        tensors[hub_name(name)] = value.half().contiguous()
    return tensors


def checkpoint(kind, config, seed):
    """A model with random weights, as a folder; and as transformers reads it from there."""
    model_class, config_class = kind
    model = model_class(config_class.from_dict(json.loads(json.dumps(config))))
    tensors = randomised(model, seed)
    folder = GOLDEN / config["model_type"].replace("_", "-")
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    model, told = model_class.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"], told
    return model.eval(), folder


def ready(folder, processor):
    """A processor's file in a folder."""
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1, sort_keys=True) + "\n")


def pictures():
    """Small pictures as files."""
    PICTURES.mkdir()
    random = numpy.random.default_rng(5)
    for name, (height, width) in {"square": (43, 43), "small": (28, 28), "wide": (25, 83), "clear": (30, 20),
                                  "turned": (24, 40), "photo": (33, 47)}.items():
        ramp = numpy.linspace(0, 1, height)[:, None, None] * numpy.linspace(0, 1, width)[None, :, None]
        levels = ramp * random.uniform(60, 255, 3) + random.uniform(0, 60, (height, width, 3))
        levels = levels.clip(0, 255).astype(numpy.uint8)
        if name == "clear":
            alpha = random.integers(0, 256, (height, width, 1), dtype=numpy.uint8)
            Image.fromarray(numpy.concatenate([levels, alpha], 2)).save(PICTURES / "clear.png")
        elif name == "turned":
            exif = Image.Exif()
            # To be turned by a quarter to the right.
            exif[0x0112] = 6
            # All decoders agree on flat blocks.
            flat = levels[::8, ::8].repeat(8, 0).repeat(8, 1)
            Image.fromarray(flat).save(PICTURES / "turned.jpg", quality=95, subsampling=0, exif=exif)
        elif name == "photo":
            Image.fromarray(levels).save(PICTURES / "photo.jpg", quality=90)
        else:
            Image.fromarray(levels).save(PICTURES / f"{name}.png")
    return {path.stem: load_image(str(path)) for path in sorted(PICTURES.iterdir())}


def levels_of(pixels, expected):
    """The bytes that pixels were, checked: `normalised` says what becomes of each."""
    normalised = expected["normalised"]
    levels = []
    for channel in range(3):
        plane = pixels[:, channel].contiguous()
        index = torch.searchsorted(normalised[channel].contiguous(), plane)
        assert torch.equal(normalised[channel][index], plane)
        levels.append(index.to(torch.uint8))
    return torch.stack(levels, 1)


def next_golden(images, expected):
    """LLaVA-1.6."""
    model, folder = checkpoint((LlavaNextForConditionalGeneration, LlavaNextConfig), NEXT, 1)
    prepared = PREPARED | {"aspect_ratio_setting": "anyres", "image_grid_pinpoints": PINPOINTS,
                           "image_processor_type": "LlavaNextImageProcessor", "processor_class": "LlavaNextProcessor"}
    ready(folder, prepared)
    processor = LlavaNextImageProcessorPil.from_pretrained(folder)
    every_level = numpy.arange(256, dtype=numpy.uint8)[None, None].repeat(3, 0)
    rescaled = processor.rescale(every_level, processor.rescale_factor)
    expected["normalised"] = torch.from_numpy(processor.normalize(rescaled, MEAN, DEVIATION)[:, 0])

    def forward(tokens, inputs, **more):
        return model(input_ids=tokens, pixel_values=inputs["pixel_values"], image_sizes=inputs["image_sizes"], **more)

    for name, image in images.items():
        inputs = processor(image, return_tensors="pt")
        key = f"next.{name}"
        expected[f"{key}.size"] = inputs["image_sizes"][0]
        expected[f"{key}.levels"] = levels_of(inputs["pixel_values"][0], expected)
        features = model.get_image_features(inputs["pixel_values"], inputs["image_sizes"]).pooler_output[0]
        expected[f"{key}.features"] = features
        tokens = torch.tensor([[*PROMPT[:3], *[96] * len(features), *PROMPT[4:]]])
        expected[f"{key}.tokens"] = tokens[0]
        if name in ("square", "wide", "turned"):
            expected[f"{key}.logits"] = forward(tokens, inputs).logits[0]

    # Two images of different sizes, the shorter prompt padded on the left.
    names = ["square", "wide"]
    inputs = processor([images[name] for name in names], return_tensors="pt")
    rows = [expected[f"next.{name}.tokens"] for name in names]
    longest = max(map(len, rows))
    tokens = torch.stack([torch.cat([torch.full((longest - len(row),), 97), row]) for row in rows])
    mask = torch.stack([torch.arange(longest) >= longest - len(row) for row in rows]).long()
    logits = forward(tokens, inputs, attention_mask=mask).logits
    for name, row, batched in zip(names, rows, logits):
        error = (batched[-len(row):] - expected[f"next.{name}.logits"]).abs().max()
        print("batch beside single", name, float(error))
        assert error < 1e-4
    expected["next.batch.tokens"], expected["next.batch.mask"] = tokens, mask


def plain_golden(images, expected):
    """LLaVA-1.5, which cuts out the middle, and what pads to a square first."""
    model, folder = checkpoint((LlavaForConditionalGeneration, LlavaConfig), PLAIN, 2)
    ready(folder, PREPARED | {"image_processor_type": "CLIPImageProcessor", "processor_class": "LlavaProcessor"})
    cut = CLIPImageProcessorPil.from_pretrained(folder)
    padded = LlavaImageProcessorPil(**PREPARED, do_pad=True)
    for name, image in images.items():
        key = f"plain.{name}"
        pixels = cut(image, return_tensors="pt")["pixel_values"]
        expected[f"{key}.levels"] = levels_of(pixels, expected)
        expected[f"{key}.padded"] = levels_of(padded(image, return_tensors="pt")["pixel_values"], expected)
        features = model.get_image_features(pixels).pooler_output[0]
        expected[f"{key}.features"] = features
        if name in ("square", "wide"):
            tokens = torch.tensor([[*PROMPT[:3], *[96] * len(features), *PROMPT[4:]]])
            expected[f"{key}.tokens"] = tokens[0]
            expected[f"{key}.logits"] = model(input_ids=tokens, pixel_values=pixels).logits[0]
    for strategy, layer in (("full", -2), ("default", -1), ("default", 1)):
        pixels = cut(images["wide"], return_tensors="pt")["pixel_values"]
        features = model.get_image_features(pixels, vision_feature_layer=layer,
                                            vision_feature_select_strategy=strategy).pooler_output[0]
        expected[f"plain.{strategy}{layer}"] = features


def full_picture(height, width):
    """A picture that tests draw, too."""
    y, x, channel = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(3), indexing="ij")
    level = (x * x * (channel + 1) + y * y * 3 + x * y * 5 + channel * 71) // 64 + (x * 7919 + y * 104729) % 31
    return Image.fromarray((level % 256).astype(numpy.uint8))


def full_golden(expected):
    """Pixels of real sizes, as samples and sums; and numbers of tokens."""
    real = PREPARED | {"crop_size": {"height": 336, "width": 336}, "size": {"shortest_edge": 336}}
    processors = {"next": LlavaNextImageProcessorPil(**real), "cut": CLIPImageProcessorPil(**real),
                  "padded": LlavaImageProcessorPil(**real, do_pad=True)}

    class Tokenizer:
        image_token, image_token_id = "<image>", 32000

    counter = LlavaNextProcessor.__new__(LlavaNextProcessor)
    counter.image_processor, counter.patch_size = processors["next"], 14
    counter.num_additional_image_tokens, counter.vision_feature_select_strategy = 1, "default"
    for height, width in FULL_SIZES:
        image = full_picture(height, width)
        for kind, processor in processors.items():
            if kind != "next" and (height, width) not in ((333, 500), (1000, 300)):
                continue
            pixels = processor(image, return_tensors="pt")["pixel_values"].reshape(-1, 3, 336, 336)
            levels = levels_of(pixels, expected).flatten(1)
            weights = 1 + torch.arange(levels.shape[1]) % 251
            key = f"{kind}.{height}x{width}"
            expected[f"{key}.samples"] = levels[:, ::1999].contiguous()
            # Small enough to be a whole number of binary32.
            expected[f"{key}.sums"] = (levels.long() * weights).sum(1) % 16777213
    # Tokens of more sizes than there are pixels of.
    random = numpy.random.default_rng(6)
    sides = [[336, 336], [512, 768], [768, 512], [300, 1000], [1000, 1], [1, 1], [1, 100000], [100000, 1], [13, 4000]]
    table = []
    for height, width in [*FULL_SIZES, *sides, *random.integers(1, 2200, (300, 2)).tolist()]:
        tiles = image_size_to_num_patches([height, width], processors["next"].image_grid_pinpoints, 336)
        table.append([height, width, tiles, counter._get_number_of_features(height, width, 336, 336) - 1])
    (GOLDEN / "tokens.json").write_text(json.dumps(table).replace("], [", "],\n [") + "\n")


def main():
    """All of it."""
    print("transformers", transformers.__version__, "torch", torch.__version__, "pillow", PIL.__version__)
    # `keys.txt` is not made here: it lists the published checkpoint.
    for folder in ("pictures", "llava", "llava-next"):
        shutil.rmtree(GOLDEN / folder, ignore_errors=True)
    images, expected = pictures(), {}
    # A photograph as decoded, since decoders differ: no network sees it.
    expected["photo"] = torch.from_numpy(numpy.array(images.pop("photo")))
    with torch.no_grad():
        next_golden(images, expected)
        plain_golden(images, expected)
    full_golden(expected)
    save_file({key: value.contiguous() for key, value in expected.items()}, GOLDEN / "expected.safetensors")


if __name__ == "__main__":
    main()
