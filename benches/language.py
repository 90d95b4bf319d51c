#!/usr/bin/env python3
"""Language models and models that see, beside llama.cpp and PyTorch: time, memory, and how far the answers are apart.

    python3 -m venv .oracle && .oracle/bin/pip install torch transformers gguf llama-cpp-python pillow
    cargo build --release --example language -p ccsr-stages
    .oracle/bin/python benches/language.py --work /tmp/language > results.md

Weights are random, written once to the work folder (22 GB). Each round starts the sides in turn, as processes of their
own; each loads, computes once to warm up, and then `--times` times. All read the same tokens, and decode the same.
"""

import argparse
import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import time

from language_weights import VOCABULARY, Weights
from networks import ROOT, apart, start

#: Who computes, and where the weights lie in the work folder.
PACKED = {
    "ccsr, AWQ": ("ours", "awq-8"),
    "ccsr, Q4_1": ("ours", "q4_1-8.gguf"),
    "llama.cpp, Q4_1": ("llama", "q4_1-8.gguf"),
    "llama.cpp, Q4_0": ("llama", "q4_0-8.gguf"),
}
WHOLE = {"ccsr, binary32": ("ours", "whole-8"), "PyTorch, binary32": ("torch", "whole-8")}
TEXTS = {
    "packed": ("8 layers of Mistral 7B, four bits", PACKED, "llama.cpp, Q4_1", (512, 64)),
    "whole": ("8 layers of Mistral 7B, binary32", WHOLE, "PyTorch, binary32", (512, 64)),
    "large": ("all 32 layers of Mistral 7B, four bits", {"ccsr, AWQ": ("ours", "awq-32")}, None, (512, 64)),
}
#: What a question takes, in tokens, and how much stands before the image.
QUESTIONS, BEFORE = range(30, 50, 2), 6
IMAGE = 32000


def make(weights, work):
    """Writes weights, if they are not there."""
    place = work / weights
    if place.exists():
        return
    partial = work / f"partial-{weights}"
    shutil.rmtree(partial, ignore_errors=True)
    if weights == "llava-4":
        make_llava(partial)
    else:
        kind, layers = place.stem.split("-")
        if kind in ("q4_0", "q4_1"):
            Weights().of_llama(partial, int(layers), kind.upper())
        else:
            Weights().of_hub(partial, int(layers), packed=kind == "awq")
    partial.rename(place)


def make_llava(folder):
    """LLaVA-1.6 with 4 of its language model's 32 layers, and a picture."""
    import numpy
    import torch
    import transformers
    from PIL import Image
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
    torch.manual_seed(1)
    config = transformers.LlavaNextConfig(
        text_config={"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 4,
                     "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 32064,
                     "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "rope_theta": 1e6,
                     "sliding_window": None},
        vision_config={"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
                       "num_attention_heads": 16, "num_hidden_layers": 24, "image_size": 336, "patch_size": 14,
                       "projection_dim": 768, "vocab_size": 32000},
        image_token_index=IMAGE, vocab_size=32064, tie_word_embeddings=False)
    model = transformers.LlavaNextForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            # Norms are not 1 and biases not 0.
            parameter.add_(torch.randn_like(parameter) * 0.01)
    model.save_pretrained(folder, max_shard_size="100GB")
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336},
        image_grid_pinpoints=config.image_grid_pinpoints)
    processor.save_pretrained(folder)
    noise = numpy.random.default_rng(1).integers(0, 256, (32, 32, 3), numpy.uint8)
    Image.fromarray(noise).resize((512, 512), Image.Resampling.BICUBIC).save(folder / "picture.png")


def tokens(count, seed):
    """Tokens, none of them special."""
    numbers = random.Random(seed)
    return [numbers.randrange(300, VOCABULARY - 1) for _ in range(count)]


def torch_text(model, inputs, times):
    """Prefill and decoding with transformers."""
    import torch
    import transformers
    torch.set_num_threads(2)
    began = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    loading = time.perf_counter() - began
    seconds = {"prefill": [], "decode": []}
    with torch.inference_mode():
        for _ in range(times + 1):
            began = time.perf_counter()
            said = model(torch.tensor([inputs["prompt"]]), use_cache=True, logits_to_keep=1)
            seconds["prefill"].append(time.perf_counter() - began)
            began = time.perf_counter()
            for token in inputs["continuation"]:
                said = model(torch.tensor([[token]]), past_key_values=said.past_key_values, use_cache=True)
            seconds["decode"].append(time.perf_counter() - began)
    return said.logits[0, -1].numpy(), loading, seconds


def llama_text(model, inputs, times):
    """The same with llama.cpp."""
    import llama_cpp
    import numpy
    began = time.perf_counter()
    model = llama_cpp.Llama(str(model), n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=2, n_threads_batch=2,
                            verbose=False)
    loading = time.perf_counter() - began
    seconds = {"prefill": [], "decode": []}
    for _ in range(times + 1):
        model.reset()
        began = time.perf_counter()
        model.eval(inputs["prompt"])
        seconds["prefill"].append(time.perf_counter() - began)
        began = time.perf_counter()
        for token in inputs["continuation"]:
            model.eval([token])
        seconds["decode"].append(time.perf_counter() - began)
    logits = llama_cpp.llama_get_logits_ith(model._ctx.ctx, -1)
    return numpy.ctypeslib.as_array(logits, (VOCABULARY,)).copy(), loading, seconds


def torch_questions(folder, inputs, times):
    """Questions about an image with transformers, each by itself."""
    import torch
    import transformers
    from PIL import Image
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
    torch.set_num_threads(2)
    began = time.perf_counter()
    model = transformers.LlavaNextForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    loading = time.perf_counter() - began
    processor = LlavaNextImageProcessorPil.from_pretrained(folder)
    picture = Image.open(folder / "picture.png")

    def ask(question):
        pixels = processor(picture, return_tensors="pt")
        text = inputs["before"] + [IMAGE] * inputs["image_tokens"] + question
        return model(input_ids=torch.tensor([text]), logits_to_keep=1, **pixels).logits[0, -1].numpy()

    seconds = {"one": [], "ten": []}
    with torch.inference_mode():
        for _ in range(times):
            asked = []
            began = time.perf_counter()
            for question in inputs["questions"]:
                asked.append(ask(question))
                if len(asked) == 1:
                    seconds["one"].append(time.perf_counter() - began)
            seconds["ten"].append(time.perf_counter() - began)
    import numpy
    return numpy.concatenate(asked), loading, seconds


CHILDREN = {"torch": torch_text, "llama": llama_text, "torch-questions": torch_questions}


def child(side, model, inputs, output, times):
    """What a process of another side does."""
    answer, loading, seconds = CHILDREN[side](model, json.loads(inputs.read_text()), times)
    output.write_bytes(answer.tobytes())
    warm = {name: values[1:] or values for name, values in seconds.items()}
    print(json.dumps({"loading": loading, "seconds": warm}))


def command(side, model, inputs, output, times):
    """How a side is started."""
    if side.startswith("ours"):
        mode = "questions" if side == "ours-questions" else "text"
        return [str(part) for part in
                (ROOT / "target/release/examples/language", mode, model, inputs, output, times)]
    return [str(part) for part in (sys.executable, __file__, "--child", side, "--model", model, "--inputs", inputs,
                                   "--output", output, "--times", times)]


def rounds_of(sides, work, inputs, task, rounds, times):
    """What was measured of each side, rounds in which they take turns."""
    path = work / f"{task}.json"
    path.write_text(json.dumps(inputs))
    for _, weights in sides.values():
        subprocess.run([sys.executable, __file__, "--make", weights, "--work", work], check=True)
    found = {name: [] for name in sides}
    for _ in range(rounds):
        for index, (name, (side, weights)) in enumerate(sides.items()):
            output = work / f"{task}.{index}"
            found[name].append(start(command(side, work / weights, path, output, times)))
    outputs = {name: work / f"{task}.{index}" for index, name in enumerate(sides)}
    return found, outputs


def median(runs, *keys):
    """The median of what all runs have under these keys."""
    values = []
    for run in runs:
        for key in keys:
            run = run[key]
        values += run if isinstance(run, list) else [run]
    return statistics.median(values)


def measure_text(task, work, rounds, times):
    """Rows of the table of texts."""
    title, sides, other, (prefill, decode) = TEXTS[task]
    inputs = {"prompt": tokens(prefill, 1), "continuation": tokens(decode, 2)}
    found, outputs = rounds_of(sides, work, inputs, task, rounds, times)
    for index, (name, runs) in enumerate(found.items()):
        cells = []
        for part, count in (("prefill", prefill), ("decode", decode)):
            speed = count / median(runs, "seconds", part)
            cells.append(f"{speed:.1f}")
            cells.append(f"{speed * median(found[other], 'seconds', part) / count:.2f}" if other else "")
        distance = f"{apart(outputs[name], outputs[other]):.0e}" if other and name != other else ""
        print(f"| {title if index == 0 else ''} | {name} | {' | '.join(cells)} | {median(runs, 'loading'):.2f} s "
              f"| {median(runs, 'memory') / 1e9:.2f} GB | {distance} |", flush=True)


def measure_questions(work, rounds, times):
    """Rows of the table of questions."""
    inputs = {"before": [1, *tokens(BEFORE - 1, 1)], "image": IMAGE, "image_tokens": 2928,
              "questions": [tokens(count, count) for count in QUESTIONS]}
    ours, theirs = {"ccsr": ("ours-questions", "llava-4")}, {"transformers": ("torch-questions", "llava-4")}
    found, outputs = rounds_of(ours, work, inputs, "questions", rounds, times)
    # Each of the ten takes as long as the first there: once says enough.
    other, other_outputs = rounds_of(theirs, work, inputs, "questions-torch", 1, 1)
    for name, runs in (found | other).items():
        one, ten = (median(runs, "seconds", part) for part in ("one", "ten"))
        times_faster = median(other["transformers"], "seconds", "ten") / ten
        distance = f"{apart(outputs[name], other_outputs['transformers']):.0e}" if name in outputs else ""
        print(f"| {name} | {one:.1f} s | {ten:.1f} s | {ten / one:.2f} | {times_faster:.2f} "
              f"| {median(runs, 'memory') / 1e9:.2f} GB | {distance} |", flush=True)


def main():
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[[], *TEXTS, "questions"])
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    for name in ("--model", "--inputs", "--output"):
        parser.add_argument(name, type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.model, args.inputs, args.output, args.times)
    if args.work is None:
        parser.error("--work is missing: a folder for weights")
    args.work.mkdir(parents=True, exist_ok=True)
    if args.make:
        return make(args.make, args.work)
    tasks = args.tasks or [*TEXTS, "questions"]
    texts = [task for task in tasks if task in TEXTS]
    if texts:
        print("| model | by, weights | prefill, tokens/s | of the other's | decode, tokens/s | of the other's | loading "
              "| peak memory | apart |")
        print("|---|---|" + "---:|" * 7, flush=True)
    for task in texts:
        measure_text(task, args.work, args.rounds, args.times)
    if "questions" in tasks:
        print("\n| by | one question | ten | ten / one | times faster, ten | peak memory | apart |")
        print("|---|" + "---:|" * 6, flush=True)
        measure_questions(args.work, args.rounds, args.times)


if __name__ == "__main__":
    main()
