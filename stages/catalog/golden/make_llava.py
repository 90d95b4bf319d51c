#!/usr/bin/env python3
"""Writes a small LLaVA as the hub lays it out, two pictures, and what transformers answers about them.

    .oracle/bin/python stages/catalog/golden/make_llava.py

The model goes to examples/self_reward/judge, pictures and answers to llava/ beside this script. It is LLaVA-1.6 but for
its sizes, with the tokenizer of make_language.py and `<image>` added. Every parameter is random and none is zero: it
answers at random. Made with transformers 5.23.0, tokenizers 0.23.3, torch 2.15.0, pillow 13.0.0.
"""

import json
import sys

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextProcessor, PreTrainedTokenizerFast
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

from make_language import EXAMPLE, HERE, tokenizer, write

sys.path.insert(0, str(HERE / "../../models/llava/tests/parity"))

from make_golden import DEVIATION, MEAN, PINPOINTS, randomised  # noqa: E402

JUDGE = EXAMPLE / "judge"
GOLDEN = HERE / "llava"
# One whose answers about the images of the example differ.
SEED = 18

IMAGE, PAD = 637, 638
# Filled up, as the published one is.
ROWS = 640
CONFIG = {"architectures": ["LlavaNextForConditionalGeneration"], "model_type": "llava_next", "ignore_index": -100,
          "image_grid_pinpoints": PINPOINTS, "image_token_index": IMAGE, "pad_token_id": PAD, "vocab_size": ROWS,
          "projector_hidden_act": "gelu", "tie_word_embeddings": False, "use_image_newline_parameter": True,
          "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
          "vision_config": {"model_type": "clip_vision_model", "hidden_size": 24, "intermediate_size": 40,
                            "num_attention_heads": 4, "num_hidden_layers": 3, "image_size": 28, "patch_size": 7,
                            "projection_dim": 20, "vocab_size": 99},
          "text_config": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 32,
                          "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
                          "num_key_value_heads": 2, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
                          "rope_theta": 1000000.0, "sliding_window": None, "vocab_size": ROWS}}
PREPARED = {"aspect_ratio_setting": "anyres", "image_grid_pinpoints": PINPOINTS, "do_center_crop": True,
            "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "do_pad": True,
            "image_mean": MEAN, "image_std": DEVIATION, "resample": 3, "rescale_factor": 0.00392156862745098,
            "crop_size": {"height": 28, "width": 28}, "size": {"shortest_edge": 28},
            "image_processor_type": "LlavaNextImageProcessor", "processor_class": "LlavaNextProcessor"}
PROCESSOR = {"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": 7,
             "processor_class": "LlavaNextProcessor", "vision_feature_select_strategy": "default"}
# What the published template does, in words of our own: images first, then texts. What begins a text it leaves to the
# tokenizer.
TEMPLATE = (
    "{%- for message in messages -%}\n"
    "{%- set texts = message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join -%}\n"
    "{%- if message.role == 'user' -%}\n"
    "{{- '[INST] ' -}}\n"
    "{%- for part in message.content if part.type == 'image' -%}\n"
    "{{- '<image>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{{- texts + ' [/INST]' -}}\n"
    "{%- else -%}\n"
    "{{- ' ' + texts + '</s>' -}}\n"
    "{%- endif -%}\n"
    "{%- endfor -%}\n")
QUESTIONS = ["Can one clearly see elephant in this image? Answer yes or no.",
             "Look at light, shadows and reflections. Could this image be a photograph?\nAnswer yes or no.",
             "Is the body of the giraffe complete and right: the number of legs, the tail, the head?"]
DESCRIBE = "Describe this image in a few sentences."
CAPTION_TOKENS = 24


def checkpoint(seed):
    """The folder."""
    words, special = tokenizer(JUDGE, ["<image>", "<pad>"])
    assert [words.token_to_id(token) for token in ("<image>", "<pad>")] == [IMAGE, PAD]
    write(JUDGE / "tokenizer_config.json", special | {"pad_token": "<pad>", "image_token": "<image>"})
    write(JUDGE / "chat_template.json", {"chat_template": TEMPLATE})
    write(JUDGE / "preprocessor_config.json", PREPARED)
    write(JUDGE / "processor_config.json", PROCESSOR)
    write(JUDGE / "config.json", CONFIG)
    write(JUDGE / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": PAD})
    model = LlavaNextForConditionalGeneration(LlavaNextConfig.from_dict(json.loads(json.dumps(CONFIG))))
    tensors = randomised(model, seed)
    save_file(tensors, JUDGE / "model.safetensors", metadata={"format": "pt"})
    (JUDGE / "model.safetensors").chmod(0o644)


def pictures():
    """Two small pictures as files."""
    GOLDEN.mkdir(exist_ok=True)
    random = numpy.random.default_rng(5)
    for name, (height, width) in {"square": (32, 32), "wide": (24, 40)}.items():
        ramp = numpy.linspace(0, 1, height)[:, None, None] * numpy.linspace(0, 1, width)[None, :, None]
        levels = ramp * random.uniform(60, 255, 3) + random.uniform(0, 60, (height, width, 3))
        Image.fromarray(levels.clip(0, 255).astype(numpy.uint8)).save(GOLDEN / f"{name}.png")


def opened():
    """The model and what prepares its inputs, as transformers reads them from the folder."""
    model, told = LlavaNextForConditionalGeneration.from_pretrained(JUDGE, dtype=torch.float32,
                                                                    output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"], told
    words = PreTrainedTokenizerFast.from_pretrained(JUDGE, extra_special_tokens={"image_token": "<image>"})
    processor = LlavaNextProcessor(LlavaNextImageProcessorPil.from_pretrained(JUDGE), words, patch_size=7,
                                   vision_feature_select_strategy="default", num_additional_image_tokens=1,
                                   chat_template=TEMPLATE)
    return model.eval(), processor


@torch.no_grad()
def expected():
    """Answers and a description of each picture."""
    model, processor = opened()
    words = processor.tokenizer
    saying = {word: [token for token in range(len(words)) if words.decode([token]).strip().lower() == word]
              for word in ("yes", "no")}
    cases, closest, answers = [], 9.0, set()

    def asked(picture, text):
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        rendered = processor.apply_chat_template([message], add_generation_prompt=True)
        inputs = processor(images=Image.open(GOLDEN / f"{picture}.png"), text=rendered, return_tensors="pt")
        assert inputs["input_ids"][0, 0] == 1 and inputs["input_ids"][0, 1] != 1
        return inputs

    for picture in ("square", "wide"):
        case = {"picture": f"{picture}.png", "questions": []}
        for question in QUESTIONS:
            inputs = asked(picture, question)
            logits = model(**inputs).logits[0, -1].double()
            said = {word: float(logits[tokens].logsumexp(0) - logits.logsumexp(0)) for word, tokens in saying.items()}
            answers.add(said["yes"] > said["no"])
            case["questions"].append({"question": question, "tokens": inputs["input_ids"].shape[1]} | said)
        inputs = asked(picture, DESCRIBE)
        out = model.generate(**inputs, do_sample=False, max_new_tokens=CAPTION_TOKENS, pad_token_id=PAD,
                             return_dict_in_generate=True, output_scores=True)
        two = torch.stack([score[0].topk(2).values for score in out.scores])
        closest = min(closest, float((two[:, 0] - two[:, 1]).min()))
        tokens = out.sequences[0, inputs["input_ids"].shape[1]:]
        case["description"] = words.decode(tokens, skip_special_tokens=True)
        cases.append(case)
    golden = {"yes_tokens": saying["yes"], "no_tokens": saying["no"], "describe": DESCRIBE, "max_tokens": CAPTION_TOKENS,
              "pictures": cases}
    (GOLDEN / "answers.json").write_text(json.dumps(golden, indent=1) + "\n")
    return answers, closest, golden


def main():
    """All of it."""
    pictures()
    checkpoint(SEED)
    answers, closest, golden = expected()
    print("answers", answers, "closest choice", closest)
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
