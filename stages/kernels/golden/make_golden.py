"""Blocks of GGUF and the numbers they stand for, by the reference implementation in Python.

Versions: gguf 0.19.0, numpy 2.3.5. Each file is the bytes of 4 rows of 64 numbers in one format, and after them the
256 numbers in single precision.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

rows = np.random.default_rng(7).standard_normal((4, 64)).astype(np.float32)
# A block of zeros, and one whose greatest number is negative.
rows[1, :32] = 0
rows[2, 40] = -9
for kind in [Type.Q4_0, Type.Q4_1, Type.Q8_0]:
    blocks = quantize(rows, kind)
    numbers = dequantize(blocks, kind).astype("<f4")
    path = Path(__file__).parent / f"{kind.name.lower()}.bin"
    path.write_bytes(blocks.tobytes() + numbers.tobytes())
