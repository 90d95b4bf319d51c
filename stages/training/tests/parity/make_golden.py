#!/usr/bin/env python3
"""Writes golden/: what peft and diffusers say of a batch, a step of the optimizer, and learning rates.

    .oracle/bin/python stages/training/tests/parity/make_golden.py

The UNets are those of stable-diffusion/tests/parity; the text encoder is made here. Every number of an adapter is random
and none is zero. An adapter's numbers come in one row: layers in the order of their names, down before up.
Made with diffusers 0.42.1, peft 0.21.2, transformers 5.23.0 and torch 2.15.0.
"""

import json
import pathlib

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_snr
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
UNETS = HERE / "../../../models/stable-diffusion/tests/parity/golden"
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
EVERYTHING = ATTENTION + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut",
                          "time_emb_proj", "conv", "conv_in", "conv_out", "linear_1", "linear_2"]
CASES = {
    "attention": {"unet": "sd21", "targets": ATTENTION, "alpha": 5},
    "everything": {"unet": "sd15", "targets": EVERYTHING, "alpha": 2, "rslora": True},
    "velocity": {"unet": "sd21", "targets": ATTENTION, "alpha": 3, "prediction": "v_prediction"},
    "min-snr": {"unet": "sd21", "targets": ATTENTION, "alpha": 3, "gamma": 5.0},
    "min-snr-velocity": {"unet": "sd21", "targets": ATTENTION, "alpha": 3, "gamma": 5.0, "prediction": "v_prediction"},
    "text": {"unet": "sd21", "targets": ["to_q", "to_v"], "alpha": 3,
             "text_targets": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]},
}
RANK = 3
TENSORS = {}


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def text_encoder():
    config = CLIPTextConfig(vocab_size=40, hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
                            max_position_embeddings=6, hidden_act="gelu", eos_token_id=2, bos_token_id=0, pad_token_id=1)
    model = CLIPTextModel(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.2
            value += 0.02 * torch.sign(value) + (1 if "norm" in name and name.endswith("weight") else 0)
            parameter.copy_(value.half().float())
    folder = GOLDEN / "text_encoder"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items() if "position_ids" not in name}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1, sort_keys=True, default=str) + "\n")
    return model


def adapted(model, targets, alpha, rslora, seed):
    """The model's LoRA parameters in order, made random."""
    model.requires_grad_(False)
    config = LoraConfig(r=RANK, lora_alpha=alpha, init_lora_weights="gaussian", target_modules=targets, use_rslora=rslora)
    model.add_adapter(config)
    named = {name: p for name, p in model.named_parameters() if "lora_" in name}
    layers = sorted({name.split(".lora_")[0].removeprefix("text_model.") for name in named})
    found = []
    for layer in layers:
        for which in "AB":
            end = f"{layer}.lora_{which}.default.weight"
            found.append(next(p for name, p in named.items() if name.removeprefix("text_model.") == end))
    with torch.no_grad():
        for index, parameter in enumerate(found):
            value = randn(seed * 1000 + index, *parameter.shape) * 0.3
            parameter.copy_(value + 0.02 * torch.sign(value))
    assert len(found) == len(named) and all(p.requires_grad for p in found)
    return found


def row(tensors):
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def loss_of(unet, encoder, case, latents, noise, timesteps, text, tokens):
    """As train_text_to_image_lora.py has it."""
    scheduler = DDPMScheduler(**SCHEDULE, prediction_type=case.get("prediction", "epsilon"))
    noisy = scheduler.add_noise(latents, noise, timesteps)
    if case.get("prediction") == "v_prediction":
        target = scheduler.get_velocity(latents, noise, timesteps)
    else:
        target = noise
    states = encoder(tokens)[0] if "text_targets" in case else text
    predicted = unet(noisy, timesteps, states, return_dict=False)[0]
    if "gamma" not in case:
        return torch.nn.functional.mse_loss(predicted.float(), target.float(), reduction="mean")
    snr = compute_snr(scheduler, timesteps)
    weights = torch.stack([snr, case["gamma"] * torch.ones_like(timesteps)], dim=1).min(dim=1)[0]
    weights = weights / (snr + 1) if "prediction" in case else weights / snr
    loss = torch.nn.functional.mse_loss(predicted.float(), target.float(), reduction="none")
    return (loss.mean(dim=list(range(1, loss.ndim))) * weights).mean()


def main():
    latents, noise, text = randn(1, 4, 4, 8, 8), randn(2, 4, 4, 8, 8), randn(3, 4, 5, 12)
    timesteps = torch.tensor([12, 480, 999, 203])
    tokens = torch.tensor([[0, 5, 9, 2, 1, 1], [0, 33, 12, 39, 7, 2], [0, 2, 1, 1, 1, 1], [0, 8, 8, 8, 2, 1]])
    TENSORS.update(latents=latents, noise=noise, text=text, timesteps=timesteps, tokens=tokens)
    text_encoder()
    cases = {}
    for index, (name, case) in enumerate(CASES.items()):
        unet = UNet2DConditionModel.from_pretrained(UNETS / case["unet"], torch_dtype=torch.float32).eval()
        parameters = adapted(unet, case["targets"], case["alpha"], case.get("rslora", False), index + 1)
        encoder = None
        if "text_targets" in case:
            encoder = text_encoder()
            parameters += adapted(encoder, case["text_targets"], case["alpha"], False, index + 51)
        TENSORS[f"{name}.parameters"] = row(parameters)
        loss = loss_of(unet, encoder, case, latents, noise, timesteps, text, tokens)
        loss.backward()
        TENSORS[f"{name}.gradient"] = row([parameter.grad for parameter in parameters])
        cases[name] = case | {"loss": loss.item(), "numbers": sum(p.numel() for p in parameters)}
        if name != "attention":
            continue
        # Three steps with weight decay, a norm that is clipped, and an average.
        optimizer = torch.optim.AdamW(parameters, lr=1e-2, betas=(0.9, 0.999), weight_decay=0.01, eps=1e-8)
        average = EMAModel(parameters, decay=0.9)
        losses, norms = [], []
        for step in range(3):
            optimizer.zero_grad()
            loss = loss_of(unet, encoder, case, latents, noise, timesteps, text, tokens)
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(parameters, 0.05).item())
            losses.append(loss.item())
            optimizer.step()
            average.step(parameters)
            TENSORS[f"step{step + 1}"] = row(parameters)
            TENSORS[f"average{step + 1}"] = row(average.shadow_params)
        cases["steps"] = {"losses": losses, "norms": norms}
    rates = {}
    for schedule in ("constant", "linear", "cosine"):
        for warmup in (0, 4):
            kind = "constant_with_warmup" if schedule == "constant" else schedule
            optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=3e-4)
            scheduler = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=12)
            found = []
            for _ in range(12):
                found.append(scheduler.get_last_lr()[0])
                optimizer.step()
                scheduler.step()
            rates[f"{schedule} {warmup}"] = found
    cases["rates"] = rates
    (GOLDEN / "expected.json").write_text(json.dumps(cases, indent=1) + "\n")
    save_file(TENSORS, GOLDEN / "expected.safetensors")


if __name__ == "__main__":
    main()
