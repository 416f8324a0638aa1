#!/usr/bin/env python3
"""gguf_blocks.py FOLDER: what the package gguf makes of blocks of each quantised type that we read.

FOLDER/TYPE.bin holds the blocks as they are stored, then their weights as float32. The bytes are random; the scales are
ordinary in the first blocks, then the least and the largest halves, zeros of both signs, and what is no finite number.
Made with gguf 0.19.0 and numpy 2.4.6: tests/data/gguf.
"""

import sys
from pathlib import Path

import gguf
import numpy as np

SCALES = {  # where the halves of a block are
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip
LEAST, LARGEST, INFINITE, NAN, MINUS = 0x0001, 0x7BFF, 0x7C00, 0x7E01, 0x8000
# Both halves of a block; only the first one where there is one.
PAIRS = [(LARGEST, LEAST), (LEAST | MINUS, LARGEST | MINUS), (0, 0x03FF), (MINUS, MINUS), (INFINITE, 0x3C00), (NAN, 0)]
PAIRS_OF_LARGE_BLOCKS = [PAIRS[0], PAIRS[1], (INFINITE | MINUS, NAN)]


def blocks_of(kind, random):
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    ordinary, pairs = (2, PAIRS_OF_LARGE_BLOCKS) if weights == 256 else (4, PAIRS)
    blocks = random.integers(0, 256, (ordinary + len(pairs), size), dtype=np.uint8)
    for i, block in enumerate(blocks):
        for which, at in enumerate(SCALES[kind.name]):
            half = pairs[i - ordinary][which] if i >= ordinary else random.integers(0x1400, 0x3C00) | random.choice([0, MINUS])
            block[at : at + 2] = np.array([half], "<u2").view(np.uint8)
    return blocks


def main(folder):
    random = np.random.default_rng(1711)
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCALES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = blocks_of(kind, random)
        with np.errstate(invalid="ignore"):
            weights = gguf.quants.dequantize(blocks, kind)
        assert weights.dtype == np.float32
        Path(folder, f"{name}.bin").write_bytes(blocks.tobytes() + weights.tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
