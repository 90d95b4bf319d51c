#!/usr/bin/env python3
"""Writes golden/: small UNets and autoencoders as the hub lays them out, and what diffusers computes.

    .oracle/bin/python stages/models/stable-diffusion/tests/parity/make_golden.py

Every parameter is random and none is zero. Made with diffusers 0.42.1 and torch 2.15.0.
"""

import json
import pathlib

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent / "golden"
SMALL = {"block_out_channels": (8, 16), "norm_num_groups": 4, "cross_attention_dim": 12,
         "layers_per_block": 1, "sample_size": 8}
UNETS = {
    # Stable Diffusion 2.1: linear projections, other heads in each block.
    "sd21": SMALL | {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "attention_head_dim": (2, 4), "use_linear_projection": True, "layers_per_block": 2,
    },
    # Stable Diffusion 1.5: projections by convolution.
    "sd15": SMALL | {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "attention_head_dim": 4,
        "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1,
    },
    # SDXS of the dreamshaper: nothing in the middle.
    "sdxs-ds": SMALL | {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "mid_block_type": None,
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 2,
    },
    # SDXS 0.9: the first attention of the first block looks at the text.
    "sdxs-09": SMALL | {
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), "mid_block_type": None,
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), "attention_head_dim": (2, 2),
        "only_cross_attention": (True, False), "use_linear_projection": True,
    },
}
SIZES = {"even": (8, 8), "odd": (7, 9)}
VAE = {"block_out_channels": (8, 16, 16), "norm_num_groups": 4, "layers_per_block": 1,
       "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
       "scaling_factor": 0.18215}


def randomised(model, seed):
    """Every parameter random, none zero, none too large; each a binary16 number."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.15
            value += 0.02 * torch.sign(value)
            if "norm" in name and name.endswith("weight"):
                value += 1
            parameter.copy_(value.half().float())
    return model.eval()


def store(model, folder, rename=lambda name: name):
    """The model as a folder of the hub, in binary16."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {rename(name): tensor.detach().half().contiguous()
               for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    config = {key: value for key, value in model.config.items() if not key.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def old_name(name):
    """An autoencoder's attention as old files call it."""
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def main():
    """All of it."""
    print("diffusers", diffusers.__version__, "torch", torch.__version__)
    GOLDEN.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(9)
    expected = {"text": torch.randn((2, 5, 12), generator=generator)}
    with torch.no_grad():
        for seed, (name, config) in enumerate(UNETS.items()):
            model = randomised(UNet2DConditionModel(**config), seed)
            store(model, GOLDEN / name)
            for size, (height, width) in SIZES.items():
                sample = torch.randn((2, 4, height, width), generator=generator)
                expected[f"{name}.{size}.sample"] = sample
                timesteps = torch.tensor([981, 37])
                answer = model(sample, timesteps, encoder_hidden_states=expected["text"]).sample
                expected[f"{name}.{size}.prediction"] = answer
        for name, rename in (("vae", lambda name: name), ("vae-old", old_name)):
            model = randomised(AutoencoderKL(**VAE), 20)
            store(model, GOLDEN / name, rename)
        images = torch.rand((2, 3, 20, 28), generator=generator) * 2 - 1
        posterior = model.encode(images).latent_dist
        latents = torch.randn((2, 4, 5, 7), generator=generator)
        expected |= {"vae.images": images, "vae.mean": posterior.mean, "vae.deviation": posterior.std,
                     "vae.latents": latents,
                     "vae.decoded": model.decode(latents / VAE["scaling_factor"]).sample}
        tiny = randomised(AutoencoderTiny(
            encoder_block_out_channels=(6, 6, 6), decoder_block_out_channels=(6, 6, 6),
            num_encoder_blocks=(1, 2, 1), num_decoder_blocks=(2, 1, 1)), 30)
        store(tiny, GOLDEN / "tiny")
        expected |= {"tiny.latents": tiny.encode(images).latents,
                     "tiny.decoded": tiny.decode(latents * 2).sample}
    save_file({key: value.contiguous() for key, value in expected.items()},
              GOLDEN / "expected.safetensors")


if __name__ == "__main__":
    main()
