#!/usr/bin/env python3
"""Writes golden.safetensors: what ultralytics says of a batch for YOLO-World in training: loss, assignment, gradients.

    YOLO_AUTOINSTALL=false .oracle/bin/python stages/training/tests/detection/make_golden.py

Weights are made by the formula of `stages/models/yolo-world/tests/parity`; every one is random and none is zero. Theirs
computes in double precision. Made with ultralytics 8.4.190, torch 2.15.0. ultralytics is AGPL-3.0: it is run, and nothing
of it is copied.
"""

import pathlib
import sys
import types

import numpy
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../../models/yolo-world/tests/parity"))
from make_golden import formula, parameter  # noqa: E402
from ultralytics.nn.tasks import DetectionModel, WorldModel, yaml_model_load  # noqa: E402
from ultralytics.utils.loss import v8DetectionLoss  # noqa: E402

#: Depth, width, most channels; numbers of a text's features; classes; pixels of a side.
SCALE, WIDTH, CLASSES, SIDE = (0.33, 0.0625, 512), 24, 5, 64
#: Image, class, left, top, right, bottom: boxes that overlap, one inside another, small ones, one of the whole image.
BOXES = [(0, 0, 4, 6, 40, 50), (0, 1, 10, 12, 36, 44), (0, 0, 20, 8, 58, 52), (0, 4, 50, 50, 57, 56),
         (1, 2, 0, 0, 64, 64), (1, 3, 30, 2, 34, 62), (1, 2, 33, 3, 61, 30),
         (3, 3, 7, 21, 29, 45)]
IMAGES = 4


class Narrow(WorldModel):
    """One for texts of other widths than 512."""

    def __init__(self, cfg, nc):
        """Builds it as its parent does."""
        self.txt_feats = torch.zeros(1, nc, WIDTH)
        self.clip_model = None
        DetectionModel.__init__(self, cfg=cfg, ch=3, nc=nc, verbose=False)


def build():
    """The network in training, in double precision."""
    yaml = yaml_model_load("yolov8s-worldv2.yaml")
    yaml["scales"] = {"s": list(SCALE)}
    for *_, module, args in yaml["head"]:
        if module == "C2fAttn":
            args.append(WIDTH)
        if module == "WorldDetect":
            args[1] = WIDTH
    model = Narrow(yaml, CLASSES)
    state = {key: value if key.endswith("num_batches_tracked") or ".dfl." in key else parameter(key, tuple(value.shape))
             for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    model.args = types.SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=True)
    return model.double().train()


def made(name, *shape):
    """Numbers by the formula in single precision, in the range [-1, 1)."""
    return torch.from_numpy(formula(name, shape).astype(numpy.float32)).double()


def digest(name, tensor):
    """What is kept of a gradient: its norm, its largest number, its products with two random ones, some numbers."""
    numbers = tensor.detach().flatten().double()
    probes = [numbers @ torch.from_numpy(formula(f"{name}.{probe}", (len(numbers),))) for probe in range(2)]
    some = numbers[torch.arange(8) * len(numbers) // 8]
    return torch.cat([torch.stack([numbers.norm(), numbers.abs().max(), *probes]), some])


def main():
    """All of it."""
    model, golden = build(), {}
    texts = made("texts", 1, CLASSES, WIDTH)
    pixels = [(made(name, IMAGES, 3, SIDE, SIDE) + 1) / 2 for name in ("pixels", "others")]
    rows = torch.tensor(BOXES, dtype=torch.float32)
    sides = rows[:, 4:] - rows[:, 2:4]
    batch = {"batch_idx": rows[:, 0], "cls": rows[:, 1],
             "bboxes": torch.cat([rows[:, 2:4] + sides / 2, sides], 1) / SIDE}
    criterion = v8DetectionLoss(model)
    assigned, assign = {}, criterion.assigner.forward

    def watched(*args, **kwargs):
        found = assign(*args, **kwargs)
        assigned["classes"], assigned["boxes"], assigned["scores"], assigned["is_positive"], _ = found
        return found

    criterion.assigner.forward = watched
    predictions = model.predict(pixels[0], txt_feats=texts)
    loss, parts = criterion(predictions, batch)
    (loss.sum() / IMAGES).backward()
    golden["loss"] = torch.stack([parts["box_loss"], parts["cls_loss"], parts["dfl_loss"]])
    # Image, place, class, score, box.
    positives = [[image, place, assigned["classes"][image, place], assigned["scores"][image, place].sum(),
                  *assigned["boxes"][image, place]] for image, place in assigned["is_positive"].nonzero().tolist()
                 if assigned["scores"][image, place].sum() > 0]
    golden["positives"] = torch.tensor([[float(number) for number in row] for row in positives])
    named = sorted(model.named_parameters())
    golden["gradient"] = torch.stack([digest(name, value.grad) for name, value in named if ".dfl." not in name])
    golden["numbers"] = torch.tensor(sum(value.numel() for name, value in named if ".dfl." not in name))

    sums = {}

    def gather(name):
        def hook(_, inputs, __):
            mean = inputs[0].mean((0, 2, 3))
            square = inputs[0].var((0, 2, 3), unbiased=False) + mean.square()
            sums.setdefault(name, []).append(torch.stack([mean, square]))
        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(gather(name))
    with torch.no_grad():
        for some in pixels:
            model.predict(some, txt_feats=texts)
    rows = []
    for name, found in sorted(sums.items()):
        assert len(found) == 2
        mean, square = torch.stack(found).mean(0)
        rows += [mean, square - mean.square()]
    golden["statistics"] = torch.cat(rows)
    for name, value in golden.items():
        print(name, tuple(value.shape), value.flatten()[:8])
    print(golden["positives"])
    save_file({name: value.float().contiguous() for name, value in golden.items()}, HERE / "golden.safetensors")


if __name__ == "__main__":
    main()
