"""Random weights of language models, the same numbers in every format that is measured.

Layers are shaped like those of Mistral 7B. All layers of a model have equal values, each stored by itself, so that
writing takes seconds; what is computed with them takes as long as with any others.
"""

import json

import numpy

HIDDEN, INNER, VOCABULARY, HEADS, KEY_HEADS, HEAD = 4096, 14336, 32000, 32, 8, 128
#: Inputs that share a scale and a zero point in AWQ, and in llama.cpp's formats.
GROUP, BLOCK = 128, 32
#: Nibble i of a word of AWQ's gemm layout belongs to this output of its eight.
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
#: A layer's matrices: names on the hub and in GGUF, outputs and inputs.
LINEARS = {
    "self_attn.q_proj": ("attn_q", HEADS * HEAD, HIDDEN),
    "self_attn.k_proj": ("attn_k", KEY_HEADS * HEAD, HIDDEN),
    "self_attn.v_proj": ("attn_v", KEY_HEADS * HEAD, HIDDEN),
    "self_attn.o_proj": ("attn_output", HIDDEN, HEADS * HEAD),
    "mlp.gate_proj": ("ffn_gate", INNER, HIDDEN),
    "mlp.up_proj": ("ffn_up", INNER, HIDDEN),
    "mlp.down_proj": ("ffn_down", HIDDEN, INNER),
}
NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
CONTEXT, THETA, EPSILON = 4096, 1e6, 1e-5


class Matrix:
    """A matrix of codes of four bits: a weight is `scale * (code - zero)` of its group."""

    def __init__(self, outputs, inputs, random):
        self.codes = random.integers(0, 16, (outputs, inputs), numpy.uint8)
        self.zeros = random.integers(4, 12, (outputs, inputs // GROUP), numpy.uint8)
        self.scales = (random.uniform(0.5, 1.5, self.zeros.shape) * 0.02 / 4.6).astype(numpy.float16)

    def whole(self):
        """Its numbers."""
        zeros, scales = (numpy.repeat(part, GROUP, 1).astype(numpy.float32) for part in (self.zeros, self.scales))
        return scales * (self.codes - zeros)

    def awq(self):
        """Its tensors in AWQ's gemm layout."""
        return {"qweight": words(self.codes.T), "qzeros": words(self.zeros.T),
                "scales": numpy.ascontiguousarray(self.scales.T)}

    def q4_1(self, turned):
        """Its blocks of llama.cpp: scale and least number in binary16, then codes, low halves first."""
        outputs, inputs = self.codes.shape
        scales, zeros = (numpy.repeat(part, GROUP // BLOCK, 1) for part in (self.scales, self.zeros))
        least = (scales * -zeros.astype(numpy.float32)).astype(numpy.float16)
        codes = self.codes.reshape(outputs, inputs // BLOCK, BLOCK)
        blocks = numpy.concatenate([scales[..., None].view(numpy.uint8), least[..., None].view(numpy.uint8),
                                    codes[..., :16] | codes[..., 16:] << 4], axis=2)
        blocks = blocks.reshape(outputs, -1)
        return in_pairs(blocks) if turned else blocks


def words(codes):
    """Codes [rows, columns] as words [rows, columns / 8]."""
    packed = numpy.zeros((codes.shape[0], codes.shape[1] // 8), numpy.uint32)
    for nibble, column in enumerate(AWQ_ORDER):
        packed |= codes[:, column::8].astype(numpy.uint32) << (4 * nibble)
    return packed.view(numpy.int32)


def in_pairs(rows):
    """Rows of queries or keys as llama.cpp wants them, which turns neighbours and not halves of a head."""
    heads = rows.reshape(-1, 2, HEAD // 2, rows.shape[1])
    return numpy.ascontiguousarray(heads.swapaxes(1, 2)).reshape(rows.shape)


class Weights:
    """A model's weights."""

    def __init__(self):
        random = numpy.random.default_rng(1)
        self.matrices = {name: Matrix(outputs, inputs, random) for name, (_, outputs, inputs) in LINEARS.items()}
        normal = lambda *shape: random.standard_normal(shape, numpy.float32)
        self.norms = {name: (1 + 0.1 * normal(HIDDEN)).astype(numpy.float16) for name in (*NORMS, "norm")}
        self.embeddings, self.head = ((normal(VOCABULARY, HIDDEN) * scale).astype(numpy.float16)
                                      for scale in (0.5, 0.02))

    def of_hub(self, folder, layers, packed):
        """A folder of the hub: a file a layer, and one for the rest."""
        from safetensors.numpy import save_file
        folder.mkdir(parents=True)
        kind = numpy.float16 if packed else numpy.float32
        layer = {f"{name}.weight": self.norms[name].astype(kind) for name in NORMS}
        for name, matrix in self.matrices.items():
            parts = matrix.awq() if packed else {"weight": matrix.whole()}
            layer |= {f"{name}.{part}": value for part, value in parts.items()}
        rest = {"model.embed_tokens.weight": self.embeddings.astype(kind), "lm_head.weight": self.head.astype(kind),
                "model.norm.weight": self.norms["norm"].astype(kind)}
        files = {f"model-{index}.safetensors": {f"model.layers.{index}.{name}": value for name, value in layer.items()}
                 for index in range(layers)} | {"model-rest.safetensors": rest}
        for file, tensors in files.items():
            save_file(tensors, folder / file, metadata={"format": "pt"})
        places = {name: file for file, tensors in files.items() for name in tensors}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
        config = {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": HIDDEN,
                  "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": HEADS,
                  "num_key_value_heads": KEY_HEADS, "head_dim": HEAD, "vocab_size": VOCABULARY, "rms_norm_eps": EPSILON,
                  "rope_theta": THETA, "max_position_embeddings": CONTEXT, "sliding_window": None,
                  "tie_word_embeddings": False, "torch_dtype": numpy.dtype(kind).name}
        if packed:
            config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": GROUP,
                                             "zero_point": True, "version": "gemm"}
        (folder / "config.json").write_text(json.dumps(config, indent=1))

    def of_llama(self, file, layers, kind):
        """A file of llama.cpp, its matrices in Q4_1, or rounded once more to Q4_0."""
        import gguf
        file.parent.mkdir(parents=True, exist_ok=True)
        writer = gguf.GGUFWriter(file, "llama")
        writer.add_context_length(CONTEXT)
        writer.add_embedding_length(HIDDEN)
        writer.add_block_count(layers)
        writer.add_feed_forward_length(INNER)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KEY_HEADS)
        writer.add_rope_dimension_count(HEAD)
        writer.add_rope_freq_base(THETA)
        writer.add_layer_norm_rms_eps(EPSILON)
        writer.add_vocab_size(VOCABULARY)
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        tokens += [f"word{index}" for index in range(len(tokens), VOCABULARY)]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores([0.0] * VOCABULARY)
        writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (VOCABULARY - 259))
        quantisation = gguf.GGMLQuantizationType[kind]
        layer = {}
        for name, (theirs, _, _) in LINEARS.items():
            turned = theirs in ("attn_q", "attn_k")
            if kind == "Q4_1":
                layer[theirs] = self.matrices[name].q4_1(turned)
            else:
                whole = self.matrices[name].whole()
                layer[theirs] = gguf.quants.quantize(in_pairs(whole) if turned else whole, quantisation)
        for index in range(layers):
            for theirs, blocks in layer.items():
                writer.add_tensor(f"blk.{index}.{theirs}.weight", blocks, raw_dtype=quantisation)
            for name, theirs in NORMS.items():
                writer.add_tensor(f"blk.{index}.{theirs}.weight", self.norms[name].astype(numpy.float32))
        writer.add_tensor("token_embd.weight", self.embeddings)
        writer.add_tensor("output.weight", self.head)
        writer.add_tensor("output_norm.weight", self.norms["norm"].astype(numpy.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
