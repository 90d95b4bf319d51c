#!/usr/bin/env python3
"""Writes golden/: small CLIP checkpoints as the hub lays them out, and what transformers computes.

    .oracle/bin/python stages/models/clip/tests/parity/make_golden.py VOCABULARY

VOCABULARY is `bpe_simple_vocab_16e6.txt.gz` of the PyPI package open_clip_torch. Every parameter is
random and none is zero. Made with transformers 5.23.0, torch 2.15.0, pillow 13.0.0; what OpenAI's cleaning
leaves of texts (`cleaned.json`) with open_clip_torch 3.3.0, whose tokenizer is OpenAI's, and ftfy 6.3.1.
"""

import gzip
import json
import pathlib
import sys
import tempfile

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import (CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
SMALL = {"hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 3, "vocab_size": 99,
         "num_hidden_layers": 3, "max_position_embeddings": 16, "projection_dim": 20}
VISION = {"hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 4, "num_hidden_layers": 3,
          "image_size": 24, "patch_size": 8, "projection_dim": 20}


def randomised(model, seed):
    """Every parameter random, none zero, none too large; each a binary16 number."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.3
            value += 0.02 * torch.sign(value)
            if "norm" in name and name.endswith("weight"):
                value += 1
            parameter.copy_(value.half().float())
    return model.eval()


def store(model, folder, rename=lambda name: name, extra=None):
    """The model as a folder of the hub, in binary16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {rename(name): tensor.detach().half().contiguous()
               for name, tensor in model.state_dict().items() if not name.endswith("position_ids")}
    save_file(tensors | (extra or {}), folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    config.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def towers(expected):
    """Text towers with both activations, and a whole CLIP."""
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(3, 98, (3, 16), generator=generator)
    # The end is the largest token, and what follows is padding.
    for row, end in enumerate([5, 15, 9]):
        tokens[row, end] = 98
        tokens[row, end + 1:] = 0
    expected["tokens"] = tokens
    for name, act, prefix in (("gelu", "gelu", ""), ("quick_gelu", "quick_gelu", "text_model.")):
        config = CLIPTextConfig(**SMALL, hidden_act=act, eos_token_id=2)
        model = randomised(CLIPTextModel(config), 1)
        store(model, GOLDEN / f"text-{name}",
              lambda key: prefix + key.removeprefix("text_model."),
              {f"{prefix}embeddings.position_ids": torch.arange(16)[None]} if prefix else None)
        answer = model(input_ids=tokens)
        expected[f"text-{name}.hidden"] = answer.last_hidden_state
        expected[f"text-{name}.pooled"] = answer.pooler_output

    config = CLIPConfig(text_config=SMALL | {"eos_token_id": 98, "hidden_act": "quick_gelu"},
                        vision_config=VISION | {"hidden_act": "quick_gelu"}, projection_dim=20)
    model = randomised(CLIPModel(config), 2)
    store(model, GOLDEN / "clip")
    pixels = torch.randn((2, 3, 24, 24), generator=generator)
    expected["pixels"] = pixels
    with_ends = tokens.clone()
    with_ends[0, 6:] = 98
    expected["clip.tokens"] = with_ends
    answer = model(input_ids=with_ends, pixel_values=pixels)
    expected["clip.text_features"] = answer.text_embeds
    expected["clip.image_features"] = answer.image_embeds
    expected["clip.temperature"] = model.logit_scale.exp()[None]
    vision = model.vision_model(pixels, output_hidden_states=True)
    expected["clip.vision.hidden"] = vision.last_hidden_state
    expected["clip.vision.pooled"] = vision.pooler_output
    expected["clip.vision.second_last"] = vision.hidden_states[-2]


def images(expected):
    """Preprocessing of images of several shapes."""
    processor = CLIPImageProcessorPil()
    processor.size, processor.crop_size = {"shortest_edge": 32}, {"height": 32, "width": 32}
    random = numpy.random.default_rng(4)
    for name, (height, width) in {"large": (96, 70), "wide": (40, 131), "small": (20, 24),
                                  "same": (32, 32)}.items():
        ramp = numpy.linspace(0, 1, height)[:, None, None] * numpy.linspace(0, 1, width)[None, :, None]
        picture = ramp * random.uniform(60, 255, 3) + random.uniform(0, 40, (height, width, 3))
        picture = picture.clip(0, 255).astype(numpy.uint8)
        expected[f"image.{name}"] = torch.from_numpy(picture)
        fitted = processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"][0]
        expected[f"fitted.{name}"] = fitted


def vocabulary(path):
    """The real vocabulary, as the hub has it."""
    lines = gzip.open(path).read().decode().split("\n")
    merges = [line for line in lines[1:49152 - 256 - 2 + 1]]
    bytes_ = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = [chr(byte) for byte in bytes_]
    symbols += [chr(256 + index) for index in range(256 - len(bytes_))]
    words = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    assert len(words) == 49408
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "vocab.json").write_text(
        json.dumps({word: index for index, word in enumerate(words)}, ensure_ascii=False))
    text = "#version: 0.2\n" + "\n".join(merges) + "\n"
    (folder / "merges.txt").write_text(text)
    (GOLDEN / "merges.txt").write_text(text)
    return folder


AWKWARD = ["", " ", "wow!!!", "a photo of an elephant", "An  Elephant\tin\nthe\r\nRAIN", "it's we'll I'd",
           "f/2.8, 50mm", "élan naïve Ångström", "e\u0301lan", "日本語のテキスト", "한국어", "ﬁne ligature",
           "🐘 and 🦒🏽‍♀️", "&amp; &lt;b&gt; &#39;", "<|endoftext|> inside", "100 200 3000", "a_b-c+d=e",
           "…“quotes”—dash", "ÀÉÎÕÜ ŒÆ", "\u200bzero width", "x" * 300, "!", "! !", "don't stop!!",
           "\U0001F1E9\U0001F1EA flags", "tab\tand  spaces   ", "ǅ titlecase Σς", "İstanbul", "1st 2nd"]


def texts(folder):
    """Texts, awkward ones and a thousand more, with their tokens."""
    random = numpy.random.default_rng(7)
    words = ["elephant", "Giraffe", "RAW", "photo", "8k", "Nikon", "D850,", "f/1.4", "savanna!", "sun-lit",
             "été", "猫", "🐘", "it's", "the", "of", "&amp;", "...", "#1", "bokeh", "(wide)", "\n", "\t"]
    made = [" ".join(random.choice(words, random.integers(1, 24))) for _ in range(1000)]
    made += ["elephant " * count for count in (74, 75, 76, 77, 200)]
    tokenizers = {"end": CLIPTokenizer.from_pretrained(folder, pad_token="<|endoftext|>"),
                  "bang": CLIPTokenizer.from_pretrained(folder, pad_token="!")}
    cases = []
    for text in AWKWARD + made:
        case = {"text": text}
        for name, tokenizer in tokenizers.items():
            ids = tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
            pad = ids[-1] if len(ids) == 77 else None
            while len(ids) > 1 and ids[-1] == pad and ids[-2] == pad:
                ids = ids[:-1]
            case[name] = ids
        cases.append(case)
    (GOLDEN / "texts.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n")


ODD = ["“It’s” ‘so’ ‛odd‟", "Ａ ｗｉｄｅ　ｌｅｔｔｅｒ！", "ｶﾀｶﾅ and ﾊﾝ", "ﬃ ﬆ Ǆ ŉ ĳ", "&lt;b&gt; &amp;amp; &eacute;", "a < b &amp; c",
       "&amp;amp;amp; twice", "line\u2028break\u2029s\u0085here\r\nnow", "\ufeffbom \u206afoo\x07bar\x7f", "&#8220;quoted&#8221; &#x27;s",
       "&nbsp;blank&nbsp;", "e\u0301 &hellip; x", "", "   ", "elephant &lt;3 rain"]


def cleaned():
    """Tokens of texts that OpenAI's tokenizer cleans first."""
    from open_clip.tokenizer import SimpleTokenizer
    tokenizer = SimpleTokenizer()
    cases = [{"text": text, "ids": [49406, *tokenizer.encode(text)[:75], 49407]} for text in ODD + AWKWARD
             # Special tokens in texts are words there.
             if "<|" not in text]
    (GOLDEN / "cleaned.json").write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n")


def main():
    """All of it."""
    print("transformers", transformers.__version__, "torch", torch.__version__)
    cleaned()
    GOLDEN.mkdir(exist_ok=True)
    expected = {}
    with torch.no_grad():
        towers(expected)
    images(expected)
    save_file({key: value.contiguous() for key, value in expected.items()},
              GOLDEN / "expected.safetensors")
    texts(vocabulary(sys.argv[1]))


if __name__ == "__main__":
    main()
