"""Does diffusers draw with an adapter that `train.lora` trained what `image.generate` draws with it?

    pip install -r tests/oracle/requirements.txt
    ccsr-flow run examples/self_reward/pipeline.yaml
    python tests/oracle/trained.py ccsr-flow

Takes two seeds of each prompt at every scale: the noise that a row was drawn from is what `ccsr-flow why` says, expanded
here by ChaCha with 8 rounds and the transform of Box and Muller. Prints the largest difference in levels of 256, and how
far the adapter carries images from the base's; exits with 1 where one of ours is off by more than a level.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import diffusers
import numpy
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from adapters import BASE, ROOT, pipeline  # noqa: E402

FILE = "examples/self_reward/pipeline.yaml"
OUT = ROOT / "examples/self_reward/out"


def block(key, counter):
    """64 bytes of ChaCha with 8 rounds, as 16 words."""
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    words = state.copy()
    def turn(word, places):
        return (word << places | word >> (32 - places)) & 0xFFFFFFFF
    def quarter(a, b, c, d):
        for first, second, third, places in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[first] = (words[first] + words[second]) & 0xFFFFFFFF
            words[third] = turn(words[third] ^ words[first], places)
    for _ in range(4):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return [(one + other) & 0xFFFFFFFF for one, other in zip(words, state)]


def noise(seed: bytes, count: int) -> numpy.ndarray:
    """Standard normal numbers of a seed."""
    key = [int.from_bytes(seed[at:at + 4], "little") for at in range(0, 32, 4)]
    words = [word for counter in range((count * 2 + 31) // 16) for word in block(key, counter)]
    uniform = [((words[at + 1] << 32 | words[at]) >> 11) / 2**53 for at in range(0, len(words), 2)]
    numbers = []
    for first, second in zip(uniform[::2], uniform[1::2]):
        radius, angle = math.sqrt(-2 * math.log(1 - first)), math.tau * second
        numbers += [radius * math.cos(angle), radius * math.sin(angle)]
    return numpy.array(numbers[:count], numpy.float32)


def main(program: str) -> None:
    print(f"diffusers {diffusers.__version__}")
    told = subprocess.run([program, "show", FILE, "drawn", "--format", "jsonl"], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in told.splitlines()]
    lines = {prompt: number for number, prompt in enumerate(dict.fromkeys(row["prompt"] for row in rows), 1)}
    farthest, bases, carried = 0, {}, 0.0
    for number, row in enumerate(rows, 1):
        if row["candidate"] > 1:
            continue
        why = json.loads(subprocess.run([program, "why", FILE, "drawn", str(number), "--json"], cwd=ROOT, check=True,
                                        capture_output=True, text=True).stdout)
        asked = json.dumps(why)
        seed = bytes.fromhex(asked.split('"noise": "')[1][:64])
        model = pipeline(BASE)
        model.set_progress_bar_config(disable=True)
        model.tokenizer.model_max_length = 77
        if row["scale"] != 0:
            model.load_lora_weights(OUT / "adapter", adapter_name="it")
            model.set_adapters("it", row["scale"])
        side = 32 // model.vae_scale_factor
        latents = torch.from_numpy(noise(seed, 4 * side * side).reshape(1, 4, side, side))
        theirs = model(row["prompt"], negative_prompt="", height=32, width=32, num_inference_steps=4, guidance_scale=7.5,
                       latents=latents, output_type="np").images[0]
        theirs = (theirs * 255).round().astype(int)
        scale = format(row["scale"], "g")
        name = f"{lines[row['prompt']]}_{row['class']}-{row['candidate']}-epoch{row['epoch']}-scale{scale}.png"
        ours = numpy.array(Image.open(OUT / "drawn" / name)).astype(int)
        farthest = max(farthest, abs(ours - theirs).max())
        base = bases.setdefault((row["prompt"], row["candidate"]), ours)
        carried = max(carried, abs(ours - base).max())
    print(f"{len(bases) * 4} images: off by {farthest} levels at most; the adapter carries them up to {carried} from the base's")
    assert farthest <= 1, f"{farthest} levels"
    assert carried > farthest, "the adapter does nothing"


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except AssertionError as difference:
        sys.exit(f"differs: {difference}")
