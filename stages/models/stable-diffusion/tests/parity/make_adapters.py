#!/usr/bin/env python3
"""Writes golden/adapters/: LoRA adapters of every writer, and what diffusers and PEFT compute with them.

    .oracle/bin/python stages/models/stable-diffusion/tests/parity/make_adapters.py

Their bases are the small Stable Diffusion of the examples and golden/sd15. Every number is random and none is zero.
Made with diffusers 0.42.1, peft 0.21.2, transformers 5.23.0, torch 2.15.0.
"""

import copy
import json
import pathlib
import re
import shutil

import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextModel

HERE = pathlib.Path(__file__).parent
CHECKPOINT = HERE / "../../../../../examples/stable_diffusion/checkpoint"
GOLDEN = HERE / "golden/adapters"
SCALES = (1.0, 0.4, -0.5)
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
CONVOLUTIONS = ["conv1", "conv2", "conv_shortcut", "conv", "conv_in", "conv_out"]
INPUTS = {}


def networks(base="example"):
    """A UNet and a text encoder without adapters."""
    folder = CHECKPOINT / "unet" if base == "example" else HERE / "golden" / base
    unet = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(CHECKPOINT / "text_encoder", dtype=torch.float32)
    return unet.eval(), text.eval()


def randomised(model, seed):
    """Every number of its adapter random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_((torch.randn(parameter.shape, generator=generator) * 0.3).half().float())
    return model


def pipeline(base="example"):
    """What loads adapters: no images are drawn."""
    unet, text = networks(base)
    return StableDiffusionPipeline(vae=None, text_encoder=text, tokenizer=None, unet=unet,
                                   scheduler=PNDMScheduler(), safety_checker=None, feature_extractor=None,
                                   requires_safety_checker=False)


def computed(unet, text):
    """What the two compute."""
    with torch.no_grad():
        return {"prediction": unet(INPUTS["sample"], torch.tensor([981, 37]),
                                   encoder_hidden_states=INPUTS["text"]).sample,
                "states": text(INPUTS["tokens"]).last_hidden_state}


def scaled(*models, scale):
    """PEFT's way to say how much of an adapter counts."""
    for model in models:
        for module in model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale("default", scale)


def of_diffusers(expected, name, base="example", weight_name=None):
    """What diffusers computes with a file, alone and at several scales."""
    model = pipeline(base)
    model.load_lora_weights(GOLDEN / name, adapter_name="it", weight_name=weight_name)
    for scale in SCALES:
        model.set_adapters("it", scale)
        for what, tensor in computed(model.unet, model.text_encoder).items():
            expected[f"{name}.{scale}.{what}"] = tensor


def saved_by_diffusers(name, unet_config, text_config=None, seed=0):
    """`save_lora_weights` as the training scripts call it."""
    unet, text = networks()
    layers = {}
    for part, model, config in (("unet", unet, unet_config), ("text_encoder", text, text_config)):
        if config is not None:
            model.add_adapter(copy.deepcopy(config))
            randomised(model, seed)
            layers[f"{part}_lora_layers"] = get_peft_model_state_dict(model)
            layers[f"{part}_lora_adapter_metadata"] = config.to_dict()
    StableDiffusionPipeline.save_lora_weights(GOLDEN / name, **layers)


def saved_with_old_names(name, seed):
    """As files were before PEFT: other names, no metadata, the text encoder's tower named."""
    unet, text = networks()
    config = {"r": 2, "lora_alpha": 2}
    unet.add_adapter(LoraConfig(target_modules=ATTENTION, **config))
    text.add_adapter(LoraConfig(target_modules=TEXT[:4], **config))
    tensors = {}
    for layer, tensor in get_peft_model_state_dict(randomised(unet, seed)).items():
        layer = layer.replace("to_out.0", "to_out").replace(".lora_A.", "_lora.down.").replace(".lora_B.", "_lora.up.")
        tensors["unet." + re.sub(r"(attn\d)\.", r"\1.processor.", layer)] = tensor.contiguous()
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(randomised(text, seed + 1)))
    tensors |= {"text_encoder.text_model." + layer: tensor.contiguous() for layer, tensor in state.items()}
    (GOLDEN / name).mkdir()
    save_file(tensors, GOLDEN / name / "pytorch_lora_weights.safetensors")


def saved_by_peft(expected, name, unet_config, text_config=None, seed=0):
    """`save_pretrained` of each network; where both are adapted, in a folder each, as PEFT's examples do."""
    folders = {"unet": GOLDEN / name, "text_encoder": None}
    if text_config is not None:
        folders = {part: GOLDEN / name / part for part in folders}
    for part, model, config in zip(folders, networks(), (unet_config, text_config)):
        if config is not None:
            randomised(get_peft_model(model, config), seed).save_pretrained(folders[part])
            (folders[part] / "README.md").unlink()
    unet, text = networks()
    unet = PeftModel.from_pretrained(unet, folders["unet"])
    if text_config is not None:
        text = PeftModel.from_pretrained(text, folders["text_encoder"])
    for scale in SCALES:
        scaled(unet, text, scale=scale)
        for what, tensor in computed(unet, text).items():
            expected[f"{name}.{scale}.{what}"] = tensor


def saved_as_kohya(name, base="example", tower="text_model_", seed=0, kind=torch.float32):
    """The names of kohya's scripts: parts of a path joined by `_`, alphas as tensors without dimensions."""
    unet, text = networks(base)
    unet.add_adapter(LoraConfig(r=2, target_modules=[*ATTENTION, *CONVOLUTIONS[:2], "proj_in", "proj_out", "ff.net.2"]))
    text.add_adapter(LoraConfig(r=2, target_modules=TEXT))
    tensors = {}
    for prefix, model in (("lora_unet_", unet), (f"lora_te_{tower}", text)):
        for index, (layer, tensor) in enumerate(get_peft_model_state_dict(randomised(model, seed)).items()):
            path, factor, _ = layer.rsplit(".", 2)
            flat = prefix + path.replace(".", "_")
            factor = {"lora_A": "lora_down", "lora_B": "lora_up"}[factor]
            tensors[f"{flat}.{factor}.weight"] = tensor.to(kind).contiguous()
            # diffusers passes over alphas of attention that differ from most, so there they are alike.
            alpha = 3.0 if model is text or "attn" in flat else 1.0 + index // 2 % 3
            tensors[f"{flat}.alpha"] = torch.tensor(alpha, dtype=kind)
    (GOLDEN / name).mkdir()
    save_file(tensors, GOLDEN / name / "lora.safetensors", metadata={"ss_network_dim": "2", "ss_network_alpha": "1"})


def main():
    """All of it."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir(parents=True)
    generator = torch.Generator().manual_seed(5)
    INPUTS["sample"] = torch.randn((2, 4, 8, 8), generator=generator)
    INPUTS["text"] = torch.randn((2, 5, 12), generator=generator)
    INPUTS["tokens"] = torch.randint(0, 500, (2, 6), generator=generator)
    expected = {}
    for base in ("example", "sd15"):
        for what, tensor in computed(*networks(base)).items():
            expected[f"{base}.{what}"] = tensor

    saved_by_diffusers("linear", LoraConfig(
        r=3, lora_alpha=6, target_modules=[*ATTENTION, "ff.net.0.proj", "ff.net.2"]), seed=1)
    of_diffusers(expected, "linear")
    saved_by_diffusers(
        "all-layers",
        LoraConfig(r=2, lora_alpha=3, target_modules=[*ATTENTION, *CONVOLUTIONS, "time_emb_proj", "linear_1", "proj_in"],
                   rank_pattern={"^conv_in": 3, "attn1.to_(k|v)": 1}, alpha_pattern={"conv1": 0.5, "attn1.to_k": 4}),
        LoraConfig(r=2, lora_alpha=1, target_modules=TEXT, alpha_pattern={"mlp.fc1": 5}), seed=2)
    of_diffusers(expected, "all-layers")
    saved_with_old_names("old-names", seed=3)
    of_diffusers(expected, "old-names")
    saved_by_peft(expected, "rank-stabilised", LoraConfig(
        r=4, lora_alpha=3, use_rslora=True, target_modules=["to_q", "to_v", "conv2"]), seed=4)
    saved_by_peft(
        expected, "peft-of-both",
        LoraConfig(r=2, lora_alpha=3, target_modules=ATTENTION, rank_pattern={"attn2.to_q": 1},
                   alpha_pattern={"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_v": 7}),
        LoraConfig(r=3, lora_alpha=2, target_modules=TEXT[:2]), seed=5)
    saved_as_kohya("kohya", seed=6)
    of_diffusers(expected, "kohya", weight_name="lora.safetensors")
    # Projections by convolution, halves, and no tower in the names.
    saved_as_kohya("kohya-15", base="sd15", tower="", seed=7, kind=torch.float16)
    of_diffusers(expected, "kohya-15", base="sd15", weight_name="lora.safetensors")

    model = pipeline()
    for name in ("linear", "all-layers"):
        model.load_lora_weights(GOLDEN / name, adapter_name=name)
    model.set_adapters(["linear", "all-layers"], [0.7, -0.3])
    for what, tensor in computed(model.unet, model.text_encoder).items():
        expected[f"stacked.{what}"] = tensor
    expected |= INPUTS
    save_file({key: tensor.contiguous() for key, tensor in expected.items()}, GOLDEN / "expected.safetensors")
    base = expected["example.prediction"]
    for key, tensor in expected.items():
        if key.endswith(".prediction"):
            print(key, float(tensor.abs().max()), float((tensor - expected[
                "sd15.prediction" if "15" in key else "example.prediction"]).abs().max()))
    assert base.isfinite().all()


if __name__ == "__main__":
    main()
