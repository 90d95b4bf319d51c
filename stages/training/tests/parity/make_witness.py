#!/usr/bin/env python3
"""Writes golden/witness.safetensors: the loss of a witness and the gradient of every parameter, as PyTorch has them.

    .oracle/bin/python stages/training/tests/parity/make_witness.py

The network is that of witness/tests/parity. Made with torch 2.15.0.
"""

import importlib.util
import pathlib

import torch
from safetensors.torch import save_file
from torch.nn import functional

HERE = pathlib.Path(__file__).parent
TWIN = HERE / "../../../models/witness/tests/parity/make_golden.py"
spec = importlib.util.spec_from_file_location("twin", TWIN)
twin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(twin)


def main():
    generator = torch.Generator().manual_seed(8)
    pixels = torch.rand((5, 3, 16, 16), generator=generator) * 2 - 1
    values = [torch.tensor(row) for row in ([0, 2, 1, 1, 2], [3, 0, 1, 2, 1], [1, 0, 0, 1, 1])]
    golden = {"pixels": pixels, "values": torch.stack(values)}
    for name, smoothing in (("plain", 0.0), ("smooth", 0.1)):
        network = twin.made()
        entropies = [functional.cross_entropy(logits, value, label_smoothing=smoothing)
                     for logits, value in zip(network(pixels), values)]
        loss = sum(entropies)
        loss.backward()
        golden[f"{name}.loss"] = loss.detach().reshape(1)
        for parameter, tensor in network.named_parameters():
            golden[f"{name}.{parameter}"] = tensor.grad
    save_file(golden, HERE / "golden/witness.safetensors")


if __name__ == "__main__":
    main()
