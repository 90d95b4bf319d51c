#!/usr/bin/env python3
"""Writes golden/: what PyTorch's modules say of images, in a network that is the witness's twin.

    .oracle/bin/python stages/models/witness/tests/parity/make_golden.py

Every parameter is random and none is zero. `stages/training/tests/parity/witness.py` has its loss and gradients.
Made with torch 2.15.0.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

HERE = pathlib.Path(__file__).parent
CONFIG = {
    "model_type": "ccsr-witness",
    "image_size": 16,
    "block_out_channels": [8, 12],
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "facts": [
        {"name": "class", "values": ["elephant", "giraffe", "none"]},
        {"name": "count", "values": ["0", "1", "2", "3"]},
        {"name": "sound", "values": ["no", "yes"]},
    ],
}


class Residual(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(functional.silu(self.norm2(self.conv1(functional.silu(self.norm1(x))))))


class Level(nn.Module):
    def __init__(self, inputs, outputs, layers, groups):
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.resnets = nn.Sequential(*[Residual(outputs, groups) for _ in range(layers)])

    def forward(self, x):
        return self.resnets(self.down(x))


class Witness(nn.Module):
    def __init__(self, config):
        super().__init__()
        ends, groups = config["block_out_channels"], config["norm_num_groups"]
        levels = [Level(a, b, config["layers_per_block"], groups) for a, b in zip([3] + ends, ends)]
        self.widths = [len(fact["values"]) for fact in config["facts"]]
        self.levels = nn.Sequential(*levels)
        self.norm_out = nn.GroupNorm(groups, ends[-1])
        self.head = nn.Linear(2 * ends[-1], sum(self.widths))

    def forward(self, x):
        x = functional.silu(self.norm_out(self.levels(x)))
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)).split(self.widths, 1)


def made():
    """A network, every number of which can be told from its neighbours in half precision."""
    network = Witness(CONFIG).eval()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.2
            value += 0.02 * torch.sign(value) + (1 if "norm" in name and name.endswith("weight") else 0)
            parameter.copy_(value.half().float())
    return network


def main():
    network = made()
    folder = HERE / "golden/witness"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    pixels = torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(6)) * 2 - 1
    with torch.no_grad():
        said = network(pixels)
    golden = {"pixels": pixels} | {fact["name"]: logits.contiguous() for fact, logits in zip(CONFIG["facts"], said)}
    save_file(golden, HERE / "golden/expected.safetensors")


if __name__ == "__main__":
    main()
