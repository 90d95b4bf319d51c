#!/usr/bin/env python3
"""Writes golden/diffusion/: a small autoencoder and a small UNet, and their losses and gradients by diffusers and PyTorch.

    .oracle/bin/python stages/training/tests/parity/make_diffusion.py

Every parameter is random and none is zero. Gradients are kept under the names that files have for the parameters.
Made with diffusers 0.42.1 and torch 2.15.0.
"""

import json
import pathlib

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent / "golden" / "diffusion"
SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
AUTOENCODER = {"block_out_channels": (4, 4, 8), "norm_num_groups": 2, "layers_per_block": 1, "latent_channels": 4,
               "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
               "scaling_factor": 0.7}
UNET = {"block_out_channels": (4, 8), "norm_num_groups": 2, "cross_attention_dim": 6, "layers_per_block": 1,
        "sample_size": 8, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": (1, 2)}
OBJECTIVE = {"square": 0.5, "divergence": 1e-3}
TENSORS = {}


def randn(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomised(model, seed, folder):
    """Every parameter random, none zero, each a binary16 number; stored as a folder of the hub."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.2
            value += 0.02 * torch.sign(value)
            if "norm" in name and name.endswith("weight"):
                value += 1
            parameter.copy_(value.half().float())
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    config = {key: value for key, value in model.config.items() if not key.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    return model.eval()


def keep(case, model, loss):
    model.zero_grad()
    loss.backward()
    for name, parameter in model.named_parameters():
        TENSORS[f"{case}.{name}"] = parameter.grad.clone()
    return loss.item()


def autoencoder():
    model = randomised(AutoencoderKL(**AUTOENCODER), 1, GOLDEN / "autoencoder")
    images = torch.rand((2, 3, 12, 16), generator=torch.Generator().manual_seed(2)) * 2 - 1
    noise = randn(3, 2, 4, 3, 4)
    TENSORS.update({"images": images, "images.noise": noise})
    posterior = model.encode(images).latent_dist
    back = model.decode(posterior.mean + posterior.std * noise).sample
    loss = torch.nn.functional.l1_loss(back, images) + OBJECTIVE["square"] * torch.nn.functional.mse_loss(back, images)
    return keep("autoencoder", model, loss + OBJECTIVE["divergence"] * posterior.kl().mean())


def denoiser(model, prediction, gamma):
    scheduler = DDPMScheduler(**SCHEDULE, prediction_type=prediction)
    latents, noise, timesteps = TENSORS["latents"], TENSORS["noise"], TENSORS["timesteps"]
    noisy = scheduler.add_noise(latents, noise, timesteps)
    target = noise if prediction == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
    predicted = model(noisy, timesteps, TENSORS["states"]).sample
    loss = torch.nn.functional.mse_loss(predicted, target, reduction="none").mean(dim=(1, 2, 3))
    if gamma:
        snr = compute_snr(scheduler, timesteps)
        loss = loss * torch.clamp(snr, max=gamma) / (snr + 1 if prediction == "v_prediction" else snr)
    return loss.mean()


def distilled(model):
    """The predicted image as diffusers' samplers have it, beside the teacher's."""
    scheduler = DDPMScheduler(**SCHEDULE, prediction_type="v_prediction", clip_sample=False)
    samples, timesteps = TENSORS["noise"], TENSORS["timesteps"]
    predicted = model(samples, timesteps, TENSORS["states"]).sample
    images = [scheduler.step(predicted[i], t, samples[i], generator=torch.Generator()).pred_original_sample
              for i, t in enumerate(timesteps)]
    return torch.nn.functional.l1_loss(torch.stack(images), TENSORS["latents"])


def main():
    TENSORS.update(latents=randn(4, 2, 4, 8, 6), noise=randn(5, 2, 4, 8, 6), states=randn(6, 2, 5, 6),
                   timesteps=torch.tensor([203, 961]))
    model = randomised(UNet2DConditionModel(**UNET), 7, GOLDEN / "unet")
    losses = {
        "autoencoder": autoencoder(),
        "noise": keep("noise", model, denoiser(model, "epsilon", None)),
        "velocity": keep("velocity", model, denoiser(model, "v_prediction", 5.0)),
        "distillation": keep("distillation", model, distilled(model)),
    }
    (GOLDEN / "expected.json").write_text(json.dumps({"objective": OBJECTIVE, "losses": losses}, indent=1) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in TENSORS.items()}, GOLDEN / "expected.safetensors")


if __name__ == "__main__":
    main()
