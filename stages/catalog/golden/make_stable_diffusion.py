#!/usr/bin/env python3
"""Writes a small Stable Diffusion as the hub lays it out, and the images that diffusers draws with it.

    .oracle/bin/python stages/catalog/golden/make_stable_diffusion.py

The model goes to examples/stable_diffusion/checkpoint, the images beside this script. Every parameter
is random and none is zero: it draws noise. Made with diffusers 0.42.1, transformers 5.23.0, torch 2.15.0.
"""

import json
import pathlib
import sys

import numpy
import torch
from diffusers import (AutoencoderKL, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionPipeline,
                       UNet2DConditionModel)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../models/stable-diffusion/tests/parity"))

from make_golden import randomised  # noqa: E402

CHECKPOINT = HERE / "../../../examples/stable_diffusion/checkpoint"
MERGES = ["e l", "el e", "ele p", "elep h", "eleph a", "elepha n", "elephan t</w>", "g i", "gi r",
          "gir a", "gira f", "giraf f", "giraff e</w>", "a n</w>", "r a", "ra i", "rai n</w>"]
SCHEDULER = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
             "beta_schedule": "scaled_linear", "skip_prk_steps": True, "set_alpha_to_one": False,
             "steps_offset": 1}


def store(model, folder, stem, prefix=""):
    """The model's part as a folder, in binary16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {prefix + name: tensor.detach().half().contiguous()
               for name, tensor in model.state_dict().items() if not name.endswith("position_ids")}
    save_file(tensors, folder / f"{stem}.safetensors", metadata={"format": "pt"})
    config = model.config if isinstance(model.config, dict) else model.config.to_dict()
    config = {key: value for key, value in config.items()
              if key == "_class_name" or not key.startswith("_") and key != "transformers_version"}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True, default=str) + "\n")


def vocabulary(folder):
    """Bytes, and words for elephants, giraffes and rain."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(code) for code in shown] + [chr(256 + index) for index in range(256 - len(shown))]
    words = symbols + [symbol + "</w>" for symbol in symbols] + [merge.replace(" ", "") for merge in MERGES]
    words += ["<|startoftext|>", "<|endoftext|>"]
    numbered = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(numbered, ensure_ascii=False) + "\n")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "!",
               "unk_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n")
    return len(words), CLIPTokenizer.from_pretrained(folder, model_max_length=77, **special)


def main():
    """All of it."""
    words, tokenizer = vocabulary(CHECKPOINT / "tokenizer")
    text = randomised(CLIPTextModel(CLIPTextConfig(
        vocab_size=words, hidden_size=12, intermediate_size=20, num_hidden_layers=2,
        num_attention_heads=3, hidden_act="gelu", eos_token_id=2, projection_dim=12)), 1)
    unet = randomised(UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=12,
        layers_per_block=1, attention_head_dim=(2, 4), use_linear_projection=True,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")), 2)
    vae = randomised(AutoencoderKL(
        block_out_channels=(8, 16, 16), norm_num_groups=4, layers_per_block=1, scaling_factor=0.18215,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3), 3)
    store(text, CHECKPOINT / "text_encoder", "model", "text_model.")
    store(unet, CHECKPOINT / "unet", "diffusion_pytorch_model")
    store(vae, CHECKPOINT / "vae", "diffusion_pytorch_model")
    folder = CHECKPOINT / "scheduler"
    folder.mkdir(exist_ok=True)
    (folder / "scheduler_config.json").write_text(json.dumps(
        {"_class_name": "PNDMScheduler", "clip_sample": False} | SCHEDULER, indent=1) + "\n")

    scheduler = PNDMScheduler(**SCHEDULER)
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(4))
    golden = {"noise": latents}
    cases = {"pndm": (scheduler, 6, 7.5, "rain!"), "unguided": (scheduler, 3, 1.0, ""),
             "euler": (EulerDiscreteScheduler.from_config(scheduler.config), 4, 3.0, "")}
    for name, (scheduler, steps, guidance, negative) in cases.items():
        pipeline.scheduler = scheduler
        drawn = pipeline(
            prompt=["Photo of an elephant, wow!!!"] * 2, negative_prompt=[negative] * 2, height=32,
            width=32, num_inference_steps=steps, guidance_scale=guidance, latents=latents.clone(),
            output_type="pil").images
        golden[name] = torch.from_numpy(numpy.stack([numpy.asarray(image) for image in drawn]))
    save_file({key: value.contiguous() for key, value in golden.items()},
              HERE / "stable_diffusion.safetensors")


if __name__ == "__main__":
    main()
