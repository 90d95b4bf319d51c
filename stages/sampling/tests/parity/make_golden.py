#!/usr/bin/env python3
"""Writes golden/: trajectories of diffusers' schedulers, which `main.rs` holds ours against.

    .oracle/bin/python stages/sampling/tests/parity/make_golden.py

The network is a formula of the sample and the timestep, the same in `main.rs`, so that errors would
feed back as they do in earnest. Made with diffusers 0.42.1 and torch 2.15.0.
"""

import json
import pathlib

import diffusers
import torch
from diffusers import schedulers as S
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent / "golden"
SHAPE = (1, 2, 3, 5)
SD = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
#: scheduler_config.json of Stable Diffusion 2.1-base.
SD21 = SD | {
    "skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False,
    "prediction_type": "epsilon",
}
V = SD21 | {"prediction_type": "v_prediction"}

KINDS = {
    "PNDMScheduler": "pndm", "DDIMScheduler": "ddim", "DPMSolverMultistepScheduler": "dpm_solver",
    "EulerDiscreteScheduler": "euler", "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "UniPCMultistepScheduler": "uni_pc", "LCMScheduler": "lcm",
}
CASES = [
    ("PNDMScheduler", SD21, 50, {}),
    ("PNDMScheduler", SD21, 1, {}),
    ("PNDMScheduler", SD21, 2, {}),
    ("PNDMScheduler", SD21, 7, {}),
    ("PNDMScheduler", V, 20, {}),
    ("PNDMScheduler", SD21 | {"skip_prk_steps": False, "steps_offset": 0}, 10, {}),
    ("PNDMScheduler", SD21 | {"skip_prk_steps": False}, 4, {}),
    ("PNDMScheduler", SD21 | {"timestep_spacing": "trailing"}, 9, {}),
    ("PNDMScheduler", SD21 | {"set_alpha_to_one": True, "steps_offset": 0}, 6, {}),
    ("DDIMScheduler", SD21, 20, {}),
    ("DDIMScheduler", SD21, 20, {"eta": 1.0}),
    ("DDIMScheduler", V, 9, {"eta": 0.3}),
    ("DDIMScheduler", {}, 10, {}),
    ("DDIMScheduler", {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample",
                       "clip_sample_range": 0.8, "timestep_spacing": "linspace"}, 8, {}),
    ("DDIMScheduler", V | {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, 8, {}),
    ("DPMSolverMultistepScheduler", SD21, 20, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"use_karras_sigmas": True}, 20, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"use_karras_sigmas": True}, 6, {}),
    ("DPMSolverMultistepScheduler", V, 10, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"solver_type": "heun"}, 5, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"final_sigmas_type": "sigma_min"}, 17, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"timestep_spacing": "leading"}, 8, {}),
    ("DPMSolverMultistepScheduler", SD21 | {"timestep_spacing": "trailing", "solver_order": 1}, 8, {}),
    ("DPMSolverMultistepScheduler", {"beta_schedule": "squaredcos_cap_v2",
                                     "lambda_min_clipped": -5.1}, 12, {}),
    ("DPMSolverMultistepScheduler", SD21, 1, {}),
    ("EulerDiscreteScheduler", SD21, 20, {}),
    ("EulerDiscreteScheduler", SD21 | {"timestep_spacing": "trailing"}, 1, {}),
    ("EulerDiscreteScheduler", SD21 | {"timestep_spacing": "leading"}, 7, {}),
    ("EulerDiscreteScheduler", SD21 | {"use_karras_sigmas": True}, 12, {}),
    ("EulerDiscreteScheduler", V | {"final_sigmas_type": "sigma_min"}, 9, {}),
    ("EulerDiscreteScheduler", SD21 | {"prediction_type": "sample"}, 5, {}),
    ("EulerAncestralDiscreteScheduler", SD21, 20, {}),
    ("EulerAncestralDiscreteScheduler", V | {"timestep_spacing": "leading"}, 8, {}),
    ("UniPCMultistepScheduler", SD21, 20, {}),
    ("UniPCMultistepScheduler", SD21 | {"solver_order": 3}, 12, {}),
    ("UniPCMultistepScheduler", SD21 | {"solver_type": "bh1"}, 5, {}),
    ("UniPCMultistepScheduler", SD21 | {"solver_order": 1}, 5, {}),
    ("UniPCMultistepScheduler", V | {"use_karras_sigmas": True}, 8, {}),
    ("UniPCMultistepScheduler", SD21 | {"final_sigmas_type": "sigma_min", "lower_order_final": False},
     7, {}),
    ("LCMScheduler", SD, 4, {}),
    ("LCMScheduler", SD | {"prediction_type": "v_prediction", "clip_sample": True}, 3, {}),
    ("LCMScheduler", {}, 1, {}),
]


def network(sample, timestep):
    """What stands for the network."""
    return 0.8 * torch.sin(1.3 * sample + 0.01 * timestep) + 0.2 * sample


class Draws:
    """Noise, remembered."""

    def __init__(self, generator):
        self.generator, self.drawn = generator, []

    def __call__(self, shape, generator=None, device=None, dtype=None, layout=None):
        self.drawn.append(torch.randn(shape, generator=self.generator))
        return self.drawn[-1]


def trajectory(index, name, config, steps, more):
    """One scheduler's way from noise to an image."""
    draws = Draws(torch.Generator().manual_seed(1000 + index))
    scheduler = getattr(S, name).from_config(config)
    module = __import__(type(scheduler).__module__, fromlist=["randn_tensor"])
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = draws
    scheduler.set_timesteps(steps)
    initial = torch.randn(SHAPE, generator=torch.Generator().manual_seed(index))
    sample = initial * scheduler.init_noise_sigma
    samples, inputs = [], []
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(sample, timestep)
        inputs.append(scaled)
        sample = scheduler.step(network(scaled, timestep), timestep, sample, **more).prev_sample
        samples.append(sample)
    tensors = {
        "initial": initial,
        "timesteps": scheduler.timesteps.double(),
        "inputs": torch.stack(inputs).float(),
        "samples": torch.stack(samples).float(),
    }
    if draws.drawn:
        tensors["noise"] = torch.stack(draws.drawn)
    about = {"kind": KINDS[name], "class": name, "config": config, "steps": steps,
             "initial_sigma": float(scheduler.init_noise_sigma), **more}
    return about, {f"{index}.{key}": value.contiguous() for key, value in tensors.items()}


def training():
    """add_noise, the velocity, and the signal-to-noise ratio."""
    scheduler = S.DDPMScheduler(**SD, prediction_type="v_prediction")
    generator = torch.Generator().manual_seed(5)
    images = torch.randn((3, *SHAPE[1:]), generator=generator)
    noise = torch.randn((3, *SHAPE[1:]), generator=generator)
    timesteps = torch.tensor([0, 421, 999])
    alpha = scheduler.alphas_cumprod[timesteps]
    return {
        "training.images": images, "training.noise": noise, "training.timesteps": timesteps.double(),
        "training.noisy": scheduler.add_noise(images, noise, timesteps),
        "training.velocity": scheduler.get_velocity(images, noise, timesteps),
        "training.snr": (alpha / (1 - alpha)).double(),
    }


def main():
    """All of it."""
    print("diffusers", diffusers.__version__, "torch", torch.__version__)
    GOLDEN.mkdir(exist_ok=True)
    tensors, cases = training(), []
    for index, (name, config, steps, more) in enumerate(CASES):
        about, found = trajectory(index, name, config, steps, more)
        cases.append(about)
        tensors |= found
    save_file(tensors, GOLDEN / "trajectories.safetensors")
    (GOLDEN / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
