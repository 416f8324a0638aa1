#!/usr/bin/env python3
"""gguf_reference.py FILE TOKEN...: the logits behind each token, one line per token, from a Llama decoder in plain NumPy
and float64 that reads the GGUF file by the package gguf.

--against LOGITS   prints how far the logits in that file are from these instead; exit status 1 beyond 1e-4
--transformers     as --against, but asks LlamaForCausalLM in float32, whose settings come from gguf_shapes.py
--loader           as --transformers, but lets transformers read the GGUF file by itself
"""

import argparse
import sys
from pathlib import Path

import gguf
import numpy as np

TOLERANCE = 1e-4


class File:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.fields = reader.fields
        self.tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}

    def get(self, key, fallback=None):
        return self.fields[key].contents() if key in self.fields else fallback

    def tensor(self, name):
        return self.tensors[name].astype(np.float64)

    def frequencies(self, rotary_dim):
        base = self.get("llama.rope.freq_base", 10000.0)
        frequencies = base ** (-np.arange(0, rotary_dim, 2) / rotary_dim)
        if "rope_freqs.weight" in self.tensors:
            frequencies = frequencies / self.tensor("rope_freqs.weight")
        if self.get("llama.rope.scaling.type") == "linear":
            frequencies = frequencies / self.get("llama.rope.scaling.factor")
        return frequencies


def norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def rotate(heads, frequencies):
    """[tokens, heads, head_dim]: neighbours turn as complex numbers do."""
    turned = heads.copy()
    rotary = 2 * len(frequencies)
    angles = np.arange(len(heads))[:, None] * frequencies
    pairs = heads[..., 0:rotary:2] + 1j * heads[..., 1:rotary:2]
    pairs = pairs * np.exp(1j * angles)[:, None, :]
    turned[..., 0:rotary:2], turned[..., 1:rotary:2] = pairs.real, pairs.imag
    return turned


def logits_of(file, tokens):
    heads = file.get("llama.attention.head_count")
    kv_heads = file.get("llama.attention.head_count_kv", heads)
    head_dim = file.get("llama.attention.key_length", file.get("llama.embedding_length") // heads)
    frequencies = file.frequencies(file.get("llama.rope.dimension_count", head_dim))
    epsilon = file.get("llama.attention.layer_norm_rms_epsilon")
    hidden_from = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)

    x = file.tensors["token_embd.weight"][tokens].astype(np.float64)
    for layer in range(file.get("llama.block_count")):
        weight = lambda name: file.tensor(f"blk.{layer}.{name}.weight")
        normed = norm(x, weight("attn_norm"), epsilon)
        query = rotate((normed @ weight("attn_q").T).reshape(len(tokens), heads, head_dim), frequencies)
        key = rotate((normed @ weight("attn_k").T).reshape(len(tokens), kv_heads, head_dim), frequencies)
        value = (normed @ weight("attn_v").T).reshape(len(tokens), kv_heads, head_dim)
        key, value = np.repeat(key, heads // kv_heads, axis=1), np.repeat(value, heads // kv_heads, axis=1)
        scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(head_dim) + hidden_from
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        attended = np.einsum("hqk,khd->qhd", scores, value).reshape(len(tokens), -1)
        x = x + attended @ weight("attn_output").T

        normed = norm(x, weight("ffn_norm"), epsilon)
        gate = normed @ weight("ffn_gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ weight("ffn_up").T)) @ weight("ffn_down").T

    head = "output.weight" if "output.weight" in file.tensors else "token_embd.weight"
    return norm(x, file.tensor("output_norm.weight"), epsilon) @ file.tensor(head).T


def halves(weights, heads):
    """Rows of neighbours, as GGUF has them, back into the two halves that transformers rotates."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def run_transformers(model, tokens):
    import torch

    with torch.no_grad():
        return model.eval()(torch.tensor([tokens])).logits[0].numpy()


def logits_by_transformers(file, tokens):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from gguf_shapes import SHAPES

    shape = SHAPES[file.get("general.name")]
    rope = {"rope_type": "default", **shape.rope_scaling, "rope_theta": shape.rope_base}
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.dim, intermediate_size=shape.hidden,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim, max_position_embeddings=shape.context, rms_norm_eps=shape.epsilon,
        rope_parameters=rope, tie_word_embeddings=shape.tied, dtype="float32",
    )  # fmt: skip
    names = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    }  # fmt: skip
    state = {"model.embed_tokens.weight": file.tensors["token_embd.weight"], "model.norm.weight": file.tensors["output_norm.weight"]}
    state["lm_head.weight"] = file.tensors.get("output.weight", file.tensors["token_embd.weight"])
    for layer in range(shape.layers):
        for ours, theirs in names.items():
            weights = file.tensors[f"blk.{layer}.{ours}.weight"]
            if ours == "attn_q":
                weights = halves(weights, shape.heads)
            if ours == "attn_k":
                weights = halves(weights, shape.kv_heads)
            state[f"model.layers.{layer}.{theirs}.weight"] = weights
    model = LlamaForCausalLM(config)
    model.load_state_dict({name: torch.tensor(np.array(weights)) for name, weights in state.items()})
    return run_transformers(model, tokens)


def logits_by_loader(path, tokens):
    import torch
    from transformers import LlamaForCausalLM

    path = Path(path)
    model = LlamaForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    return run_transformers(model, tokens)


def agreement(name, found, expected):
    if found.shape != expected.shape:
        print(f"{name}: logits of shape {found.shape}, expected {expected.shape}")
        return False
    difference = np.abs(found - expected).max()
    print(f"{name}: largest difference {difference:.3g} among logits up to {np.abs(expected).max():.3g}")
    return bool(difference <= TOLERANCE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("tokens", nargs="+", type=int)
    parser.add_argument("--against")
    parser.add_argument("--transformers", action="store_true")
    parser.add_argument("--loader", action="store_true")
    asked = parser.parse_args()

    file = File(asked.file)
    expected = logits_of(file, asked.tokens)
    agreed = True
    if asked.against:
        agreed &= agreement("given, NumPy", np.loadtxt(asked.against, ndmin=2), expected)
    if asked.transformers:
        theirs = logits_by_transformers(file, asked.tokens)
        agreed &= agreement("transformers, NumPy", theirs, expected)
        if asked.against:
            agreed &= agreement("given, transformers", np.loadtxt(asked.against, ndmin=2), theirs)
    if asked.loader:
        agreed &= agreement("transformers' own reader, NumPy", logits_by_loader(asked.file, asked.tokens), expected)
    if not (asked.against or asked.transformers or asked.loader):
        np.savetxt(sys.stdout, expected, fmt="%.9g")
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
