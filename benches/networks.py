#!/usr/bin/env python3
"""Full-size networks beside PyTorch and candle: time, memory, and how far the answers are apart.

    python3 -m venv .oracle && .oracle/bin/pip install torch diffusers transformers
    cargo build --release --example networks -p ccsr-stages
    cargo build --release --manifest-path benches/candle/Cargo.toml     # left out if it is not there
    .oracle/bin/python benches/networks.py --work /tmp/networks > results.md

Weights are random, written once to the work folder (6 GB) as the hub lays them out. Each round starts both
sides in turn, as processes of their own; each loads, computes once to warm up, and then `--times` times.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
#: What is measured: a name, and what people call it.
NETWORKS = {
    "unet": "UNet of Stable Diffusion 2.1, 64x64 latents, batch 2",
    "half": "the same, weights stored in binary16 (PyTorch widens them)",
    "backward": "UNet, 32x32 latents, batch 1, forward and backward to sample and text",
    "decoder": "VAE decoder, 64x64 latents",
    "text": "text encoder of Stable Diffusion 2.1, batch 2",
    "clip": "CLIP-L/14 image tower, batch 4",
}


#: What people call the sides.
SIDES = {"ours": "ccsr", "torch": "PyTorch", "candle": "candle"}


def make(network, folder):
    """Writes a network's folder and input, if they are not there."""
    import torch
    from safetensors.torch import save_file
    if (folder / "inputs.safetensors").exists():
        return
    torch.manual_seed(1)
    if network == "backward":
        folder.mkdir()
        for file in (folder.parent / "unet").glob("[cd]*"):
            (folder / file.name).symlink_to(file.resolve())
    elif network == "half":
        from diffusers import UNet2DConditionModel
        model = UNet2DConditionModel.from_pretrained(folder.parent / "unet", torch_dtype=torch.float16)
        model.save_pretrained(folder, max_shard_size="100GB")
    else:
        model = build(network)
        with torch.no_grad():
            for parameter in model.parameters():
                # Norms are not 1 and biases not 0.
                parameter.add_(torch.randn_like(parameter) * 0.01)
        model.save_pretrained(folder, safe_serialization=True, max_shard_size="100GB")
    inputs = {
        "half": lambda: {"sample": torch.randn(2, 4, 64, 64), "text": torch.randn(2, 77, 1024)},
        "unet": lambda: {"sample": torch.randn(2, 4, 64, 64), "text": torch.randn(2, 77, 1024)},
        "backward": lambda: {"sample": torch.randn(1, 4, 32, 32), "text": torch.randn(1, 77, 1024)},
        "decoder": lambda: {"latents": torch.randn(1, 4, 64, 64)},
        "text": lambda: {"tokens": torch.randint(1, 49000, (2, 77))},
        "clip": lambda: {"pixels": torch.randn(4, 3, 224, 224)},
    }
    save_file(inputs[network](), folder / "inputs.safetensors")


def build(network):
    """The reference's network with random weights."""
    if network == "unet":
        from diffusers import UNet2DConditionModel
        return UNet2DConditionModel(
            sample_size=64, attention_head_dim=(5, 10, 20, 20), cross_attention_dim=1024,
            use_linear_projection=True)
    if network == "decoder":
        from diffusers import AutoencoderKL
        return AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=768,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    import transformers
    if network == "text":
        return transformers.CLIPTextModel(transformers.CLIPTextConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
            hidden_act="gelu", projection_dim=512))
    return transformers.CLIPModel(transformers.CLIPConfig(
        text_config={"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768},
        vision_config={"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                       "num_attention_heads": 16, "patch_size": 14, "projection_dim": 768},
        projection_dim=768))


def torch_side(network, folder, output, times, device):
    """What the child process of PyTorch does."""
    import torch
    from safetensors.torch import load_file
    torch.set_num_threads(2)
    began = time.perf_counter()
    if network in ("unet", "half", "backward", "decoder"):
        import diffusers
        kind = diffusers.AutoencoderKL if network == "decoder" else diffusers.UNet2DConditionModel
    else:
        import transformers
        kind = transformers.CLIPTextModel if network == "text" else transformers.CLIPModel
    imported = time.perf_counter()
    model = kind.from_pretrained(folder, torch_dtype=torch.float32).eval().to(device)
    inputs = load_file(folder / "inputs.safetensors", device=device)
    loading = time.perf_counter() - imported
    def backward():
        sample, text = inputs["sample"].requires_grad_(), inputs["text"].requires_grad_()
        loss = model(sample, 500, text).sample.square().mean()
        return torch.autograd.grad(loss, [sample, text])[0]
    model.requires_grad_(False)
    predict = lambda: model(inputs["sample"], 500, inputs["text"]).sample
    compute = {
        "backward": backward,
        "half": predict,
        "unet": predict,
        "decoder": lambda: model.decode(inputs["latents"] / model.config.scaling_factor).sample,
        "text": lambda: model(inputs["tokens"]).last_hidden_state,
        "clip": lambda: torch.nn.functional.normalize(model.get_image_features(inputs["pixels"]).pooler_output),
    }[network]
    seconds = []
    with torch.inference_mode(network != "backward"):
        answer = compute().cpu()
        for _ in range(times):
            began = time.perf_counter()
            answer = compute().cpu()
            seconds.append(time.perf_counter() - began)
    output.write_bytes(answer.contiguous().numpy().tobytes())
    print(json.dumps({"loading": loading, "seconds": seconds}))


def start(command):
    """Runs a side; its answer, with the most memory it had in bytes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return json.loads(said.strip().splitlines()[-1]) | {"memory": usage.ru_maxrss * 1024}


def apart(one, other):
    """The largest difference of two answers, relative to the largest number."""
    import numpy
    one, other = (numpy.frombuffer(path.read_bytes(), numpy.float32) for path in (one, other))
    assert one.shape == other.shape, (one.shape, other.shape)
    return float(abs(one - other).max() / abs(other).max())


def sides(network, work, times, device):
    """Who computes it, and how each is started."""
    folder = work / network
    arguments = [network, folder, folder / "inputs.safetensors"]
    commands = {
        "ours": [ROOT / "target/release/examples/networks", *arguments, work / f"{network}.ours", times, device],
        "torch": [sys.executable, __file__, "--child", network, "--work", work, "--times", times, "--device", device],
        "candle": [ROOT / "benches/candle/target/release/candle-networks", *arguments,
                   work / f"{network}.candle", times],
    }
    if network == "backward" or device != "cpu" or not commands["candle"][0].exists():
        del commands["candle"]
    return {side: [str(part) for part in command] for side, command in commands.items()}


def measure(network, work, rounds, times, device):
    """A row of the table for each side."""
    folder = work / network
    subprocess.run([sys.executable, __file__, "--make", network, "--work", work], check=True)
    commands = sides(network, work, times, device)
    found = {side: [] for side in commands}
    for round_ in range(rounds):
        for side, command in commands.items():
            # Candle takes several times as long: one round of it says enough.
            if side != "candle" or round_ == 0:
                found[side].append(start(command))
    seconds = {side: statistics.median([value for run in runs for value in run["seconds"]])
               for side, runs in found.items()}
    weights = sum(file.stat().st_size for file in folder.glob("*model.safetensors"))
    for side, runs in found.items():
        name = f"{NETWORKS[network]}; {weights / 1e9:.2f} GB" if side == "ours" else ""
        loading, memory = (statistics.median([run[key] for run in runs]) for key in ("loading", "memory"))
        distance = "" if side == "torch" else f"{apart(work / f'{network}.{side}', work / f'{network}.torch'):.0e}"
        print(f"| {name} | {SIDES[side]} | {seconds[side]:.3f} s | {seconds[side] / seconds['torch']:.2f} "
              f"| {loading:.2f} s | {memory / 1e9:.2f} GB | {distance} |", flush=True)


def main():
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS])
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        return make(args.make, args.work / args.make)
    if args.child:
        return torch_side(args.child, args.work / args.child, args.work / f"{args.child}.torch", args.times, args.device)
    print("| network, weights | by | time | of PyTorch's | loading | peak memory | apart |")
    print("|---|---|" + "---:|" * 5, flush=True)
    for network in args.networks or NETWORKS:
        measure(network, args.work, args.rounds, args.times, args.device)


if __name__ == "__main__":
    main()
