#!/usr/bin/env python3
"""gguf_shapes.py SHAPE TYPE FILE: a GGUF file with the keys, names, types and proportions of a known model, but narrow,
of few layers and with random weights.

SHAPE is TinyLlama-1.1B, SmolLM2-135M or Llama-3.2-1B; TYPE is F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0 or Q5_1.
Needs the package gguf.
"""

import argparse
import math
from dataclasses import dataclass, field

import gguf
import numpy as np


@dataclass
class Shape:
    """The head counts keep their ratio, the vocabulary its size, RoPE its settings; the widths are ours."""

    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    context: int
    vocabulary: int
    rope_base: float
    tied: bool
    tokenizer: str
    pre: str | None = None
    layers: int = 2
    epsilon: float = 1e-5
    rope_scaling: dict = field(default_factory=dict)  # as in the model's config.json
    begin: int = 0
    end: int = 0

    @property
    def dim(self):
        return self.heads * self.head_dim


SHAPES = {
    "TinyLlama-1.1B": Shape(
        heads=8, kv_heads=1, head_dim=16, hidden=352, context=2048, vocabulary=32000, rope_base=10000.0, tied=False,
        tokenizer="llama", begin=1, end=2,
    ),
    "SmolLM2-135M": Shape(
        heads=9, kv_heads=3, head_dim=32, hidden=768, context=8192, vocabulary=49152, rope_base=100000.0, tied=True,
        tokenizer="gpt2", pre="smollm",
    ),
    "Llama-3.2-1B": Shape(
        heads=4, kv_heads=1, head_dim=32, hidden=512, context=131072, vocabulary=128256, rope_base=500000.0, tied=True,
        tokenizer="gpt2", pre="llama-bpe", begin=128000, end=128001,
        rope_scaling={
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    ),
}  # fmt: skip

FILE_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "BF16": 32}


def rope_factors(shape):
    """By how much Llama 3 slows each pair: not the fast ones, the slow ones by `factor`, in between by a mean."""
    scaling = shape.rope_scaling
    factors = []
    for pair in range(shape.head_dim // 2):
        wavelength = 2 * math.pi * shape.rope_base ** (2 * pair / shape.head_dim)
        turns = scaling["original_max_position_embeddings"] / wavelength
        share = (turns - scaling["low_freq_factor"]) / (scaling["high_freq_factor"] - scaling["low_freq_factor"])
        share = min(max(share, 0.0), 1.0)
        factors.append(1 / ((1 - share) / scaling["factor"] + share))
    return np.array(factors, dtype=np.float32)


def weights_of(shape, random):
    """Every tensor by name. Matrices keep the size of what they multiply; what the layers add outweighs the embedding."""

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns), dtype=np.float32) / math.sqrt(columns)).astype(np.float32)

    def norm():
        return (1 + random.standard_normal(shape.dim, dtype=np.float32) / 8).astype(np.float32)

    kv_dim = shape.kv_heads * shape.head_dim
    yield "token_embd.weight", matrix(shape.vocabulary, shape.dim)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", norm()
        yield block + "attn_q.weight", matrix(shape.dim, shape.dim)
        yield block + "attn_k.weight", matrix(kv_dim, shape.dim)
        yield block + "attn_v.weight", matrix(kv_dim, shape.dim)
        yield block + "attn_output.weight", matrix(shape.dim, shape.dim)
        yield block + "ffn_norm.weight", norm()
        yield block + "ffn_gate.weight", matrix(shape.hidden, shape.dim)
        yield block + "ffn_up.weight", matrix(shape.hidden, shape.dim)
        yield block + "ffn_down.weight", matrix(shape.dim, shape.hidden)
    yield "output_norm.weight", norm()
    if not shape.tied:
        yield "output.weight", matrix(shape.vocabulary, shape.dim)
    if shape.rope_scaling:
        yield "rope_freqs.weight", rope_factors(shape)


def add_keys(writer, name, shape, kind):
    writer.add_name(name)
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(2)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.dim)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_rope_dimension_count(shape.head_dim)
    if shape.rope_scaling:
        writer.add_key_length(shape.head_dim)
        writer.add_value_length(shape.head_dim)


def add_vocabulary(writer, shape):
    """Made up, but of the right size; tokenizers have tests of their own."""
    tokens = [f"t{i}" for i in range(shape.vocabulary)]
    writer.add_tokenizer_model(shape.tokenizer)
    if shape.pre:
        writer.add_tokenizer_pre(shape.pre)
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    if shape.tokenizer == "llama":
        writer.add_token_scores([-float(i) for i in range(len(tokens))])
        writer.add_unk_token_id(0)
    else:
        writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(shape.begin)
    writer.add_eos_token_id(shape.end)


def write(name, kind, path, seed=1):
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(path, "llama")
    add_keys(writer, name, shape, kind)
    add_vocabulary(writer, shape)
    for tensor, weights in weights_of(shape, np.random.default_rng(seed)):
        # As the converters do: whatever has one dimension stays F32.
        quant = gguf.GGMLQuantizationType[kind if weights.ndim > 1 else "F32"]
        writer.add_tensor(tensor, gguf.quants.quantize(weights, quant), raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("type", choices=FILE_TYPES)
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    write(asked.shape, asked.type, asked.file, asked.seed)
