#!/usr/bin/env python3
"""Writes golden/: small language models as the hub lays them out, and what transformers computes.

    .oracle/bin/python stages/models/mistral/tests/parity/make_golden.py

Every parameter is random and none is zero. Packed layers hold every code and every zero point, words with the sign
bit set among them; the reference computes with the matrices that they stand for. Made with transformers 5.23.0 and
torch 2.15.0.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.generation.logits_process import (LogitsProcessorList, RepetitionPenaltyLogitsProcessor,
                                                    TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "golden"
# Nibble i of a word of AWQ's gemm layout belongs to this output of its eight.
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def randomised(model, seed, dtype):
    """Every parameter random, none zero, none too large; each a number of the precision it is stored in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator) * 0.2
            value += 0.02 * torch.sign(value)
            if "norm" in name:
                value += 1
            parameter.copy_(value.to(dtype).float())
    return model.eval()


def store(model, name, dtype, tensors=None, config=None):
    """The model as a folder of the hub."""
    folder = GOLDEN / name
    folder.mkdir(parents=True, exist_ok=True)
    tied = model.config.tie_word_embeddings
    state = {key: value for key, value in model.state_dict().items() if not (tied and key == "lm_head.weight")}
    tensors = tensors or {key: value.detach().to(dtype).contiguous() for key, value in state.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def logits(model, tokens):
    with torch.no_grad():
        return model(input_ids=tokens).logits


def pack(codes):
    """Codes [rows, columns] as words [rows, columns / 8]."""
    words = torch.zeros((codes.shape[0], codes.shape[1] // 8), dtype=torch.int64)
    for nibble, column in enumerate(AWQ_ORDER):
        words |= codes[:, column::8].long() << (4 * nibble)
    return words.to(torch.int32) if words.max() < 2**31 else (words - ((words >> 31) << 32)).to(torch.int32)


def packed(model, group, generator, plain=()):
    """Replaces the linear layers of a model by packed ones, and returns its tensors."""
    tensors = {}
    with torch.no_grad():
        for key, parameter in model.state_dict().items():
            layer = key.removesuffix(".weight")
            if layer.rsplit(".", 1)[-1] not in LINEAR or any(part in layer for part in plain):
                tensors[key] = parameter.half().contiguous()
                parameter.copy_(parameter.half().float())
                continue
            outputs, inputs = parameter.shape
            size = inputs if group == -1 else group
            codes = torch.randint(0, 16, (inputs, outputs), generator=generator)
            zeros = torch.randint(0, 16, (inputs // size, outputs), generator=generator)
            scales = (torch.rand((inputs // size, outputs), generator=generator) * 0.04 + 0.005).half()
            dense = (codes - zeros.repeat_interleave(size, 0)) * scales.float().repeat_interleave(size, 0)
            parameter.copy_(dense.T)
            tensors[f"{layer}.qweight"] = pack(codes)
            tensors[f"{layer}.qzeros"] = pack(zeros)
            tensors[f"{layer}.scales"] = scales
    assert any((tensor < 0).any() for key, tensor in tensors.items() if key.endswith("qweight"))
    return tensors


def main():
    expected = {}
    generator = torch.Generator().manual_seed(11)
    tokens = torch.randint(1, 98, (2, 21), generator=generator)
    expected["tokens"] = tokens

    sizes = {"hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "head_dim": 12, "vocab_size": 99, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 256}
    model = randomised(MistralForCausalLM(MistralConfig(**sizes, rope_theta=1e6, sliding_window=None)), 1,
                       torch.float16)
    store(model, "mistral", torch.float16,
          config=sizes | {"model_type": "mistral", "rope_theta": 1e6, "sliding_window": None,
                          "architectures": ["MistralForCausalLM"], "hidden_act": "silu"})
    expected["mistral"] = logits(model, tokens)

    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3,
             "num_key_value_heads": 3, "vocab_size": 99, "rms_norm_eps": 1e-5, "max_position_embeddings": 256}
    llama3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 16}
    model = LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=True, attention_bias=True, mlp_bias=True,
                                         rope_parameters=llama3 | {"rope_theta": 500.0}))
    model = randomised(model, 2, torch.bfloat16)
    store(model, "llama-tied", torch.bfloat16,
          config=sizes | {"model_type": "llama", "rope_theta": 500.0, "rope_scaling": llama3,
                          "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True})
    expected["llama-tied"] = logits(model, tokens)

    sizes = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
             "vocab_size": 99, "max_position_embeddings": 256}
    linear = {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}
    model = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=linear, tie_word_embeddings=False))
    model = randomised(model, 3, torch.float32)
    # As transformers 5 writes it: rotary embedding in a place of its own, and defaults left out.
    store(model, "llama", torch.float32, config=sizes | {"model_type": "llama", "rope_parameters": linear})
    expected["llama"] = logits(model, tokens)

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 99, "rms_norm_eps": 1e-5, "max_position_embeddings": 256,
             "sliding_window": None}
    for name, group, plain in (("awq-32", 32, []), ("awq-64", 64, ["mlp.up_proj"]), ("awq-column", -1, [])):
        model = randomised(MistralForCausalLM(MistralConfig(**sizes, rope_theta=1e6)), 4, torch.float16)
        tensors = packed(model, group, generator, plain)
        says = {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True, "version": "gemm",
                "modules_to_not_convert": plain or None}
        config = sizes | {"model_type": "mistral", "rope_theta": 1e6}
        store(model, name, None, tensors, config | ({} if group == 32 else {"quantization_config": says}))
        if group == 32:
            older = {"zero_point": True, "q_group_size": group, "w_bit": 4, "version": "GEMM"}
            (GOLDEN / name / "quant_config.json").write_text(json.dumps(older) + "\n")
        expected[name] = logits(model, tokens)

    save_file({key: value.contiguous() for key, value in expected.items()}, GOLDEN / "expected.safetensors")

    cases = []
    for temperature, top_k, top_p, penalty in ((0.7, 40, 0.95, 1.1), (0.7, 3, 1.0, 1.0), (1.3, 0, 0.5, 1.3),
                                               (1.0, 5, 0.9, 0.8), (0.2, 0, 1e-6, 1.0)):
        scores = torch.randn((1, 60), generator=generator) * 3
        seen = torch.randint(0, 60, (1, 9), generator=generator)
        steps = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(penalty), TemperatureLogitsWarper(temperature)])
        if top_k:
            steps.append(TopKLogitsWarper(top_k))
        if top_p < 1:
            steps.append(TopPLogitsWarper(top_p))
        shares = steps(seen, scores.clone()).softmax(-1)[0]
        left = {int(token): float(shares[token]) for token in shares.nonzero().flatten()}
        cases.append({"temperature": temperature, "top_k": top_k, "top_p": top_p, "repetition_penalty": penalty,
                      "logits": scores[0].tolist(), "seen": seen[0].tolist(), "left": left})
    (GOLDEN / "sampling.json").write_text(json.dumps(cases) + "\n")


main()
