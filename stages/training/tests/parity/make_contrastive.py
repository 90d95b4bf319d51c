#!/usr/bin/env python3
"""Writes golden/contrastive.safetensors: what transformers' CLIPModel says of a batch of images and texts.

    .oracle/bin/python stages/training/tests/parity/make_contrastive.py

The network is that of clip/tests/parity. Made with transformers 5.23.0 and torch 2.15.0.
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import CLIPModel

HERE = pathlib.Path(__file__).parent
CLIP = HERE / "../../../models/clip/tests/parity/golden/clip"


def main():
    model = CLIPModel.from_pretrained(CLIP, dtype=torch.float32, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(11)
    pixels = torch.randn(5, 3, 24, 24, generator=generator)
    tokens = torch.randint(3, 97, (5, 12), generator=generator)
    # The end of a text is its largest token; what follows does not count.
    tokens[torch.arange(5), torch.tensor([3, 11, 7, 5, 9])] = 98
    loss = model(input_ids=tokens, pixel_values=pixels, return_loss=True).loss
    loss.backward()
    tensors = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is not None for grad in tensors.values())
    tensors |= {"pixels": pixels, "tokens": tokens, "loss": loss.detach().reshape(1)}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()},
              HERE / "golden/contrastive.safetensors")
    print(f"loss {loss:.6f}")


main()
