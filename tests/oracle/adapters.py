"""Do diffusers and PEFT load what `adapter.export` and `adapter.merge` write, and compute the same with it?

    pip install -r tests/oracle/requirements.txt
    ccsr-flow run tests/oracle/adapters.yaml
    python tests/oracle/adapters.py tests/oracle/out/adapters

The golden adapters in stages/models/stable-diffusion/tests/parity were written by diffusers itself; with them it
computes what our files are held to. Prints the largest differences; exits with 1 where one is too large.
"""

import sys
from pathlib import Path

import diffusers
import peft
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

ROOT = Path(__file__).parents[2]
BASE = ROOT / "examples/stable_diffusion/checkpoint"
GOLDEN = ROOT / "stages/models/stable-diffusion/tests/parity/golden/adapters"
EXPECTED = load_file(GOLDEN / "expected.safetensors")


def pipeline(folder: Path) -> StableDiffusionPipeline:
    """A model from a folder as the hub lays it out."""
    single = {"torch_dtype": torch.float32}
    return StableDiffusionPipeline(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **single).eval(),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval(),
        vae=AutoencoderKL.from_pretrained(folder / "vae", **single),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=PNDMScheduler.from_pretrained(folder / "scheduler"),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def differences(unet, text, name: str) -> tuple[float, float]:
    """How far a UNet and a text encoder are from what is expected, relative to the largest number."""
    with torch.no_grad():
        found = {
            "prediction": unet(EXPECTED["sample"], torch.tensor([981, 37]),
                               encoder_hidden_states=EXPECTED["text"]).sample,
            "states": text(EXPECTED["tokens"]).last_hidden_state}
    expected = {what: EXPECTED[f"{name}.{what}"] for what in found}
    return tuple(float((found[what] - expected[what]).abs().max() / expected[what].abs().max()) for what in found)


def report(what: str, found: tuple[float, float], most: float) -> None:
    print(f"{what}: the UNet is off by {found[0]:.1e}, the text encoder by {found[1]:.1e}")
    assert max(found) <= most, what


def main(folder: Path) -> None:
    print(f"diffusers {diffusers.__version__}, peft {peft.__version__}")
    for name, golden in (("diffusers", "all-layers"), ("kohya", "linear"),
                         ("kohya-of-convolutions", "rank-stabilised"), ("kohya-of-both", "old-names")):
        for scale in (1.0, 0.4, -0.5):
            model = pipeline(BASE)
            weights = next((folder / name).glob("*.safetensors")).name
            model.load_lora_weights(folder / name, weight_name=weights, adapter_name="it")
            model.set_adapters("it", scale)
            report(f"{name} at {scale}", differences(model.unet, model.text_encoder, f"{golden}.{scale}"), 1e-6)
    for scale in (1.0, 0.4, -0.5):
        model = pipeline(BASE)
        unet = PeftModel.from_pretrained(model.unet, folder / "peft/unet")
        text = PeftModel.from_pretrained(model.text_encoder, folder / "peft/text_encoder")
        for part in (unet, text):
            for layer in part.modules():
                if isinstance(layer, LoraLayer):
                    layer.set_scale("default", scale)
        report(f"peft at {scale}", differences(unet, text, f"all-layers.{scale}"), 1e-6)

    # The base's weights are halves, and so are the merged ones: each is the half nearest to the sum.
    merged = pipeline(folder / "merged")
    report("merged at 0.4", differences(merged.unet, merged.text_encoder, "all-layers.0.4"), 2e-3)
    fused = pipeline(BASE)
    fused.load_lora_weights(GOLDEN / "all-layers", adapter_name="it")
    fused.fuse_lora(lora_scale=0.4)
    fused.unload_lora_weights()
    for part in ("unet", "text_encoder"):
        ours, theirs = (getattr(model, part).state_dict() for model in (merged, fused))
        assert ours.keys() == theirs.keys()
        other = sum(int((ours[name] != theirs[name].half().float()).sum()) for name in ours)
        print(f"merged {part}: {other} of {sum(tensor.numel() for tensor in ours.values())} numbers are not fuse_lora's")
        assert all(torch.allclose(ours[name], theirs[name].half().float(), rtol=1e-3, atol=1e-6) for name in ours)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except AssertionError as difference:
        sys.exit(f"differs: {difference}")
