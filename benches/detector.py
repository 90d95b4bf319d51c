#!/usr/bin/env python3
"""YOLO-World beside ultralytics: from files of images to boxes, time, memory, and how far the boxes are apart.

    python3 -m venv .oracle && .oracle/bin/pip install torch torchvision ultralytics safetensors
    cargo build --release --example detector -p ccsr-yolo-world
    YOLO_AUTOINSTALL=false .oracle/bin/python benches/detector.py --work /tmp/detector > results.md

Weights are random, written once to the work folder as ours are laid out and as ultralytics' are; both sides get the
features of 80 classes, which are random, too. Each round starts both sides in turn, as processes of their own, with two
threads; each loads, searches the images once to warm up, and then `--times` times.
"""

import argparse
import importlib.machinery
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import types

from networks import ROOT, start

IMAGES = 8


def ultralytics():
    """The package, which wants OpenAI's CLIP at import and needs nothing of it where features are given."""
    sys.modules["clip"] = types.ModuleType("clip")
    sys.modules["clip"].__spec__ = importlib.machinery.ModuleSpec("clip", None)
    import ultralytics
    return ultralytics


def network(scale):
    """A network of ultralytics' with random weights."""
    import torch
    ultralytics()
    from ultralytics.nn.tasks import WorldModel
    torch.manual_seed(1)
    model = WorldModel(f"yolov8{scale}-worldv2.yaml", ch=3, nc=80, verbose=False)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(("running_var", "bn.weight", "norm.weight")):
                value.uniform_(0.7, 1.3)
            elif name.endswith(("running_mean", ".bias")) and ".cv4." not in name:
                value.uniform_(-0.1, 0.1)
            elif name.endswith(".weight") and ".dfl." not in name:
                value.uniform_(-1, 1).mul_((6 / value[0].numel()) ** 0.5)
        for contrast in model.model[-1].cv4:
            contrast.bias.fill_(-4)
            contrast.logit_scale.fill_(0.8)
    return model.eval()


def make(scale, work):
    """Writes a network's folder, the features of its classes and the images, if they are not there."""
    import numpy
    import torch
    from PIL import Image
    from safetensors.torch import save_file
    folder = work / scale
    if (folder / "features.safetensors").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network(scale).state_dict().items()
               if not name.endswith("num_batches_tracked")}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "yolo-world-v2", "scale": scale}))
    random = numpy.random.default_rng(2)
    y, x = numpy.mgrid[:512, :512]
    for index in range(IMAGES):
        waves = [128 + 90 * numpy.sin(x / a + y / b) for a, b in random.uniform(-40, 40, (3, 2))]
        picture = numpy.stack(waves, -1) + random.normal(0, 12, (512, 512, 3))
        Image.fromarray(picture.clip(0, 255).astype(numpy.uint8)).save(work / f"{index}.png")
    features = torch.nn.functional.normalize(torch.randn(80, 512))
    save_file({"features": features}, folder / "features.safetensors")


def child(scale, work, images, times):
    """What the process of ultralytics does."""
    import torch
    torch.set_num_threads(2)
    package = ultralytics()
    from safetensors.torch import load_file
    imported = time.perf_counter()
    model = network(scale)
    model.load_state_dict(load_file(work / scale / "model.safetensors"), strict=False)
    model.txt_feats = load_file(work / scale / "features.safetensors")["features"][None]
    model.names = {index: str(index) for index in range(80)}
    detector = package.YOLOWorld("yolov8s-worldv2.yaml")
    detector.model = model
    loading = time.perf_counter() - imported
    source = [str(image) for image in images]
    def search():
        return detector.predict(source if len(source) > 1 else source[0], imgsz=640, conf=0.01, iou=0.7, max_det=300,
                                device="cpu", verbose=False, save=False)
    found, seconds = search(), []
    for _ in range(times):
        began = time.perf_counter()
        found = search()
        seconds.append(time.perf_counter() - began)
    rows = [torch.cat([torch.full((len(answer.boxes), 1), float(index)), answer.boxes.data], 1)
            for index, answer in enumerate(found)]
    (work / "torch.boxes").write_bytes(torch.cat(rows).numpy().tobytes())
    print(json.dumps({"loading": loading, "seconds": seconds}))


def apart(work):
    """How many boxes there are, and how many of theirs have none of ours within a hundredth of a pixel."""
    import numpy
    ours, theirs = (numpy.frombuffer((work / f"{side}.boxes").read_bytes(), numpy.float32).reshape(-1, 7)
                    for side in ("ours", "torch"))
    lonely = sum(not len(ours) or abs(ours[:, [0, 1, 2, 3, 4, 6]] - row[[0, 1, 2, 3, 4, 6]]).max(1).min() > 0.01
                 for row in theirs)
    return f"{len(ours)} / {len(theirs)}, {lonely} lonely"


def measure(scale, batch, work, rounds, times):
    """Two rows of the table."""
    os.environ["RAYON_NUM_THREADS"] = "2"
    images = [work / f"{index}.png" for index in range(batch)]
    commands = {
        "ours": [ROOT / "target/release/examples/detector", work / scale, work / scale / "features.safetensors",
                 work / "ours.boxes", times, *images],
        "torch": [sys.executable, __file__, "--child", scale, "--work", work, "--times", times, "--batch", batch],
    }
    if target := os.environ.get("CARGO_TARGET_DIR"):
        commands["ours"][0] = pathlib.Path(target) / "release/examples/detector"
    found = {side: [] for side in commands}
    for _ in range(rounds):
        for side, command in commands.items():
            found[side].append(start([str(part) for part in command]))
    seconds = {side: statistics.median([value for run in runs for value in run["seconds"]])
               for side, runs in found.items()}
    for side, runs in found.items():
        name = f"{scale}, {batch} image{'s' * (batch > 1)}" if side == "ours" else ""
        loading, memory = (statistics.median([run[key] for run in runs]) for key in ("loading", "memory"))
        print(f"| {name} | {'ccsr' if side == 'ours' else 'ultralytics'} | {seconds[side]:.3f} s "
              f"| {seconds[side] / seconds['torch']:.2f} | {loading:.2f} s | {memory / 1e9:.2f} GB "
              f"| {apart(work) if side == 'ours' else ''} |", flush=True)


def main():
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scales", nargs="*", default=["s", "x"])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        return make(args.make, args.work)
    if args.child:
        images = [args.work / f"{index}.png" for index in range(args.batch[0])]
        return child(args.child, args.work, images, args.times)
    print("| network | by | time | of ultralytics' | loading | peak memory | boxes, ours / theirs |")
    print("|---|---|" + "---:|" * 5, flush=True)
    for scale in args.scales:
        # In a process of its own: a child's peak memory is its parent's at least.
        subprocess.run([sys.executable, __file__, "--make", scale, "--work", args.work], check=True)
        for batch in args.batch:
            measure(scale, batch, args.work, args.rounds, args.times)


if __name__ == "__main__":
    main()
