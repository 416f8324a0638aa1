#!/usr/bin/env python3
"""gguf_gemma3.py GGUF_LOGITS FILE [TOKEN...]: our logits of a real Gemma 3 file against those of transformers in float32,
which gets the weights from the package gguf.

GGUF_LOGITS is gguf_logits.cpp, built; FILE comes from examples/models/fetch.sh gemma3. Without tokens there are 24. The
exit status is 1 if a logit is further away than 2e-4, or the likeliest token of any place is another one.
"""

import subprocess
import sys

import gguf
import numpy as np
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

TOLERANCE = 2e-4
TOKENS = "2 818 5279 529 7001 563 9079 236761 108 818 2268 1902 236764 564 1041 496 1535 9000 531 506 2000 236761 100000 262000"
NAMES = {  # and whether transformers adds 1 to the weights
    "attn_norm": ("input_layernorm", 1), "attn_q": ("self_attn.q_proj", 0), "attn_k": ("self_attn.k_proj", 0),
    "attn_v": ("self_attn.v_proj", 0), "attn_output": ("self_attn.o_proj", 0), "attn_q_norm": ("self_attn.q_norm", 1),
    "attn_k_norm": ("self_attn.k_norm", 1), "post_attention_norm": ("post_attention_layernorm", 1),
    "ffn_norm": ("pre_feedforward_layernorm", 1), "post_ffw_norm": ("post_feedforward_layernorm", 1),
    "ffn_gate": ("mlp.gate_proj", 0), "ffn_up": ("mlp.up_proj", 0), "ffn_down": ("mlp.down_proj", 0),
}  # fmt: skip


def model_of(path):
    reader = gguf.GGUFReader(path)
    key = lambda name: reader.fields[f"gemma3.{name}"].contents()
    weights = {
        t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), np.float32)) for t in reader.tensors
    }
    embedding, layers = weights["token_embd.weight"], key("block_count")
    config = Gemma3TextConfig(
        vocab_size=len(embedding), hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
        num_hidden_layers=layers, num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"), head_dim=key("attention.key_length"),
        max_position_embeddings=key("context_length"), rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        sliding_window=key("attention.sliding_window"), query_pre_attn_scalar=key("attention.key_length"),
        tie_word_embeddings=True,
    )  # fmt: skip
    config._attn_implementation = "eager"
    state = {"model.embed_tokens.weight": embedding, "lm_head.weight": embedding}
    state["model.norm.weight"] = weights["output_norm.weight"] - 1
    for layer in range(layers):
        for ours, (theirs, one) in NAMES.items():
            state[f"model.layers.{layer}.{theirs}.weight"] = weights[f"blk.{layer}.{ours}.weight"] - one
    model = Gemma3ForCausalLM(config).float()
    model.load_state_dict(state)
    return model.eval()


def main(program, path, tokens):
    found = subprocess.run([program, path, *map(str, tokens)], stdout=subprocess.PIPE, check=True).stdout
    found = np.array([line.split() for line in found.splitlines()], np.float32)
    with torch.no_grad():
        expected = model_of(path)(torch.tensor([tokens])).logits[0].numpy()
    difference, same = np.abs(found - expected).max(), (found.argmax(axis=1) == expected.argmax(axis=1)).sum()
    print(f"{path}: largest difference {difference:.3g} among logits up to {np.abs(expected).max():.3g}, "
          f"the likeliest token equal in {same} of {len(tokens)}")  # fmt: skip
    return 0 if difference <= TOLERANCE and same == len(tokens) else 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], [int(token) for token in sys.argv[3:] or TOKENS.split()]))
