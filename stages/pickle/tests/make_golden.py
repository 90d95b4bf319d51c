#!/usr/bin/env python3
"""Writes golden/: checkpoints as PyTorch and ultralytics write them, and what is in them.

    YOLO_AUTOINSTALL=false .oracle/bin/python stages/pickle/tests/make_golden.py

Made with torch 2.15.0, ultralytics 8.4.190. ultralytics is AGPL-3.0: it is run, and nothing of it is copied.
"""

import importlib.machinery
import json
import pathlib
import sys
import types

import torch

# ultralytics wants OpenAI's package at import, and needs nothing of it here.
sys.modules["clip"] = types.ModuleType("clip")
sys.modules["clip"].__spec__ = importlib.machinery.ModuleSpec("clip", None)

from ultralytics.nn.tasks import WorldModel, yaml_model_load  # noqa: E402

GOLDEN = pathlib.Path(__file__).parent / "golden"


def described(tensor):
    """What is asserted of a tensor: what it is, and two sums that tell its numbers' order."""
    numbers = tensor.double().flatten()
    places = torch.arange(1, len(numbers) + 1, dtype=torch.float64)
    return {"kind": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
            "sum": numbers.sum().item(), "weighed": (numbers * places).sum().item()}


def detector():
    """The thinnest YOLO-World v2, saved as ultralytics saves what it trained: in binary16, averaged weights last."""
    torch.manual_seed(1)
    yaml = yaml_model_load("yolov8s-worldv2.yaml")
    yaml["scales"] = {"s": [0.33, 0.015625, 1024]}
    model = WorldModel(yaml, ch=3, nc=2, verbose=False)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn_like(value))
    model.txt_feats = torch.randn(1, 2, 512)
    return model.half()


def main():
    """All of it."""
    GOLDEN.mkdir(exist_ok=True)
    torch.manual_seed(2)
    shared = torch.randn(4, 6)
    plain = {
        "whole": torch.arange(10), "turned": torch.randn(3, 5).T, "part": torch.randn(6, 4)[1:5:2, 1:], "none": torch.zeros(0, 3),
        "one": torch.tensor(2.5, dtype=torch.float64), "brain": torch.randn(3, 2).bfloat16(), "left": shared[:2],
        "right": shared[2:], "flags": torch.tensor([True, False]), "small": torch.tensor([-1, 2], dtype=torch.int8),
    }
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    model = detector()
    expected = {}
    checkpoints = {
        "state": (plain, plain),
        "ordered": (module.state_dict(), module.state_dict()),
        "under": ({"state_dict": plain, "epoch": 3}, plain),
        "module": (module, module.state_dict()),
        "trained": ({"epoch": -1, "best_fitness": None, "model": model, "ema": None, "train_args": {"lr0": 0.01}},
                    model.state_dict()),
    }
    for name, (checkpoint, state) in checkpoints.items():
        torch.save(checkpoint, GOLDEN / f"{name}.pt")
        expected[name] = {key: described(value) for key, value in state.items()}
    averaged = {"model": torch.nn.Linear(2, 2), "ema": module}
    torch.save(averaged, GOLDEN / "averaged.pt")
    expected["averaged"] = expected["module"]
    torch.save(plain, GOLDEN / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    torch.save(plain, GOLDEN / "unsummed.pt")
    expected["unsummed"] = expected["state"]
    (GOLDEN / "expected.json").write_text(json.dumps(expected) + "\n")
    print({path.name: path.stat().st_size for path in GOLDEN.iterdir()})


if __name__ == "__main__":
    main()
