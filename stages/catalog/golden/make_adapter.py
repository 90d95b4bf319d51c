#!/usr/bin/env python3
"""Writes LoRA adapters for the small Stable Diffusion of the examples, and the images that diffusers draws with them.

    .oracle/bin/python stages/catalog/golden/make_adapter.py

Needs the model that make_stable_diffusion.py writes. Every number is random and none is zero. Made with diffusers
0.42.1, peft 0.21.2, transformers 5.23.0, torch 2.15.0.
"""

import json
import pathlib
import shutil

import numpy
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
CHECKPOINT = HERE / "../../../examples/stable_diffusion/checkpoint"


def pipeline():
    """The model of the examples."""
    from make_stable_diffusion import SCHEDULER
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer
    made = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(CHECKPOINT / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(CHECKPOINT / "text_encoder", dtype=torch.float32),
        tokenizer=CLIPTokenizer.from_pretrained(CHECKPOINT / "tokenizer", model_max_length=77, pad_token="!"),
        unet=UNet2DConditionModel.from_pretrained(CHECKPOINT / "unet"), scheduler=PNDMScheduler(**SCHEDULER),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def write(folder, config, seed, old_names=False):
    """An adapter with random numbers."""
    shutil.rmtree(folder, ignore_errors=True)
    unet = pipeline().unet
    unet.add_adapter(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    state = get_peft_model_state_dict(unet)
    if old_names:
        # As files were before PEFT: other names, no metadata.
        state = convert_state_dict_to_diffusers(state)
        folder.mkdir()
        renamed = {"unet." + name.replace("lora_A", "lora.down").replace("lora_B", "lora.up"): tensor.contiguous()
                   for name, tensor in state.items()}
        save_file(renamed, folder / "pytorch_lora_weights.safetensors")
    else:
        StableDiffusionPipeline.save_lora_weights(
            folder, unet_lora_layers=state, unet_lora_adapter_metadata=config.to_dict())


def draw(folder, scale):
    """An image with it."""
    model = pipeline()
    model.load_lora_weights(folder, adapter_name="it")
    model.set_adapters("it", scale)
    noise = load_file(HERE / "stable_diffusion.safetensors")["noise"][:1]
    drawn = model(prompt="Photo of an elephant, wow!!!", negative_prompt="rain!", height=32, width=32,
                  num_inference_steps=6, guidance_scale=7.5, latents=noise.clone(), output_type="pil").images
    return torch.from_numpy(numpy.stack([numpy.asarray(image) for image in drawn]))


def main():
    """All of it."""
    attention = ["to_q", "to_k", "to_v", "to_out.0"]
    first, second = HERE / "adapter", HERE / "adapter_of_old"
    write(first, LoraConfig(r=3, lora_alpha=6, target_modules=[*attention, "ff.net.0.proj", "ff.net.2"],
                            alpha_pattern={"attn2.to_k": 1.5}), 7)
    write(second, LoraConfig(r=2, lora_alpha=2, target_modules=attention), 8, old_names=True)
    golden = {"adapter.0.7": draw(first, 0.7), "adapter.-1": draw(first, -1.0), "old.1": draw(second, 1.0)}
    save_file(golden, HERE / "adapter.safetensors")
    for folder in (first, second):
        with safe_open(folder / "pytorch_lora_weights.safetensors", "pt") as file:
            print(folder.name, list(file.keys())[:2], json.dumps(file.metadata())[:300])


if __name__ == "__main__":
    main()
