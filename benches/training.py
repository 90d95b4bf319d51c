#!/usr/bin/env python3
"""A step of LoRA training beside peft on PyTorch: time, memory, and how far the losses are apart.

    python3 -m venv .oracle && .oracle/bin/pip install torch diffusers peft
    cargo build --release --example step -p ccsr-training
    .oracle/bin/python benches/training.py --work /tmp/training > results.md

Weights are random, written once to the work folder (3.5 GB) as the hub lays them out. The adapter is of rank 4, for the
layers of attention; a step is forward, backward, a norm that is clipped, and AdamW. Each round starts both sides in turn,
as processes of their own, with two threads; each loads, makes one step to warm up, and then `--times`.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from networks import ROOT, start

#: What is measured: what people call it, the batch, and the network.
CASES = {
    "full": ("UNet of Stable Diffusion 2.1, 32x32 latents, batch 1", 1,
             {"sample_size": 64, "attention_head_dim": (5, 10, 20, 20), "cross_attention_dim": 1024,
              "use_linear_projection": True}),
    "small": ("a small UNet (64, 128, 256 channels), 32x32 latents, batch 16", 16,
              {"sample_size": 32, "block_out_channels": (64, 128, 256), "layers_per_block": 1, "attention_head_dim": (2, 4, 8),
               "cross_attention_dim": 256, "use_linear_projection": True,
               "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
               "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D")}),
}
SIDES = {"ours": "ccsr", "checkpointing": "ccsr, gradient checkpointing", "torch": "peft, PyTorch",
         "torch-checkpointing": "peft, gradient checkpointing"}


def make(case, folder):
    """Writes a network's folder and its batch, if they are not there."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file
    if (folder / "inputs.safetensors").exists():
        return
    _, batch, config = CASES[case]
    torch.manual_seed(1)
    model = UNet2DConditionModel(**config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="100GB")
    save_file({"latents": torch.randn(batch, 4, 32, 32), "noise": torch.randn(batch, 4, 32, 32),
               "text": torch.randn(batch, 77, config["cross_attention_dim"]),
               "timesteps": torch.randint(0, 1000, (batch,))}, folder / "inputs.safetensors")


def child(folder, times, checkpointing):
    """What the process of peft does: as diffusers' train_text_to_image_lora.py."""
    import torch
    torch.set_num_threads(2)
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from peft import LoraConfig
    from safetensors.torch import load_file
    imported = time.perf_counter()
    unet = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32).requires_grad_(False)
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights="gaussian",
                                target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    unet.train()
    if checkpointing:
        unet.enable_gradient_checkpointing()
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    parameters = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01)
    inputs = load_file(folder / "inputs.safetensors")
    loading = time.perf_counter() - imported
    seconds, losses = [], []
    for _ in range(times + 1):
        began = time.perf_counter()
        noisy = scheduler.add_noise(inputs["latents"], inputs["noise"], inputs["timesteps"])
        predicted = unet(noisy, inputs["timesteps"], inputs["text"], return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(predicted, inputs["noise"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
        losses.append(loss.item())
    print(json.dumps({"loading": loading, "seconds": seconds[1:], "losses": losses}))


def measure(case, work, rounds, times):
    """A row of the table for each side."""
    os.environ["RAYON_NUM_THREADS"] = "2"
    folder = work / case
    subprocess.run([sys.executable, __file__, "--make", case, "--work", work], check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    ours = [target / "release/examples/step", folder, folder / "inputs.safetensors", times]
    theirs = [sys.executable, __file__, "--child", case, "--work", work, "--times", times]
    commands = {"ours": ours, "checkpointing": [*ours, "checkpointing"], "torch": theirs,
                "torch-checkpointing": [*theirs, "--checkpointing"]}
    found = {side: [] for side in commands}
    for _ in range(rounds):
        for side, command in commands.items():
            found[side].append(start([str(part) for part in command]))
    seconds = {side: statistics.median([value for run in runs for value in run["seconds"]])
               for side, runs in found.items()}
    memory = {side: statistics.median([run["memory"] for run in runs]) for side, runs in found.items()}
    first = {side: runs[0]["losses"][0] for side, runs in found.items()}
    for side in commands:
        name = CASES[case][0] if side == "ours" else ""
        print(f"| {name} | {SIDES[side]} | {seconds[side]:.3f} s | {seconds[side] / seconds['torch']:.2f} "
              f"| {memory[side] / 1e9:.2f} GB | {memory[side] / memory['torch']:.2f} "
              f"| {abs(first[side] / first['torch'] - 1):.0e} |", flush=True)


def main():
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--checkpointing", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        return make(args.make, args.work / args.make)
    if args.child:
        return child(args.work / args.child, args.times, args.checkpointing)
    print("| training step | by | time | of peft's | peak memory | of peft's | first losses apart |")
    print("|---|---|" + "---:|" * 5, flush=True)
    for case in args.cases:
        measure(case, args.work, args.rounds, args.times)


if __name__ == "__main__":
    main()
