#!/usr/bin/env python3
"""Writes witness/: a small witness of the world with random weights, and what PyTorch says of a picture by it.

    .oracle/bin/python stages/catalog/golden/make_witness.py

The network is the twin in models/witness/tests/parity/make_golden.py. Made with torch 2.15.0.
"""

import importlib.util
import json
import pathlib

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
TWIN = HERE / "../../models/witness/tests/parity/make_golden.py"
spec = importlib.util.spec_from_file_location("twin", TWIN)
twin = importlib.util.module_from_spec(spec)
spec.loader.exec_module(twin)

CLASSES = ["elephant", "giraffe", "zebra", "lion", "bear", "cow", "dog", "bird", "horse", "cat", "sheep"]
COLOURS = ["grey", "brown", "white", "black", "golden", "red", "tan", "orange", "yellow", "blue", "green", "pink",
           "black-and-white"]
FACTS = {"class": CLASSES + ["none", "mixed"], "count": [str(count) for count in range(7)],
         "colour": COLOURS + ["none", "mixed"], "sound": ["no", "yes"]}


def main():
    twin.CONFIG.update(image_size=16, block_out_channels=[8], layers_per_block=1, norm_num_groups=4,
                       facts=[{"name": name, "values": values} for name, values in FACTS.items()])
    network = twin.made()
    folder = HERE / "witness"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(twin.CONFIG, indent=1) + "\n")
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    # As `picture` in src/trained_witness/tests.rs.
    y, x, c = torch.meshgrid(torch.arange(16), torch.arange(16), torch.arange(3), indexing="ij")
    levels = (x * 11 + y * 7 + c * 50) % 256
    pixels = (levels.permute(2, 0, 1)[None] / 127.5 - 1).float()
    with torch.no_grad():
        said = [logits.softmax(1)[0].tolist() for logits in network(pixels)]
    (HERE / "witness.json").write_text(json.dumps(dict(zip(FACTS, said)), indent=1) + "\n")


if __name__ == "__main__":
    main()
