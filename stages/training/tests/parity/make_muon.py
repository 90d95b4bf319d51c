#!/usr/bin/env python3
"""Writes golden/muon.safetensors: three steps of PyTorch's Muon on matrices, and of its AdamW on a bias.

    .oracle/bin/python stages/training/tests/parity/make_muon.py

PyTorch makes matrices orthogonal in bfloat16. Here it is made to do so in single precision, as we do, so that nothing else
can differ unseen. Made with torch 2.15.0.
"""

import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
SHAPES = {"wide": (4, 7), "tall": (9, 3), "square": (5, 5), "filters": (4, 3, 3, 3)}
RATE, DECAY, STEPS = 0.02, 0.1, 3

torch.bfloat16 = torch.float32


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


matrices = {name: torch.nn.Parameter(randn(index, *shape).flatten(1)) for index, (name, shape) in enumerate(SHAPES.items())}
bias = torch.nn.Parameter(randn(10, 6))
muon = torch.optim.Muon(matrices.values(), lr=RATE, weight_decay=DECAY, momentum=0.95, nesterov=True,
                        ns_steps=5, eps=1e-7, adjust_lr_fn="match_rms_adamw")
adamw = torch.optim.AdamW([bias], lr=RATE, weight_decay=DECAY, betas=(0.9, 0.999), eps=1e-8)
parameters = [*matrices.values(), bias]


def row():
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


tensors = {"before": row()}
for step in range(STEPS):
    for index, parameter in enumerate(parameters):
        parameter.grad = randn(100 * (step + 1) + index, *parameter.shape)
    tensors[f"gradient{step}"] = torch.cat([parameter.grad.flatten() for parameter in parameters])
    muon.step()
    adamw.step()
    tensors[f"after{step}"] = row()
save_file(tensors, HERE / "golden" / "muon.safetensors")
