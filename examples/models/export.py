#!/usr/bin/env python3
"""A checkpoint of train.py as GGUF, which needs no other file.

    python export.py RUN_FOLDER english-prose.gguf [--type Q8_0|F32]
"""
import argparse
import pathlib

import gguf
import numpy as np
import sentencepiece
import torch

import train


def add_sizes(writer):
    writer.add_name("english-prose")
    writer.add_description("Small Llama trained on public-domain English novels; the demo model of msrnn")
    writer.add_license("MIT")
    writer.add_vocab_size(train.VOCABULARY)
    writer.add_context_length(train.CONTEXT)
    writer.add_embedding_length(train.WIDTH)
    writer.add_block_count(train.LAYERS)
    writer.add_feed_forward_length(train.HIDDEN)
    writer.add_head_count(train.QUERY_HEADS)
    writer.add_head_count_kv(train.KV_HEADS)
    writer.add_rope_dimension_count(train.HEAD_DIM)
    writer.add_rope_freq_base(train.ROPE_BASE)
    writer.add_layer_norm_rms_eps(train.RMS_EPSILON)


def add_tokenizer(writer, tokenizer):
    ids = range(tokenizer.vocab_size())

    def kind(i):
        if tokenizer.is_unknown(i):
            return gguf.TokenType.UNKNOWN
        if tokenizer.is_control(i):
            return gguf.TokenType.CONTROL
        return gguf.TokenType.BYTE if tokenizer.is_byte(i) else gguf.TokenType.NORMAL

    writer.add_tokenizer_model("llama")
    writer.add_token_list([tokenizer.id_to_piece(i).encode() for i in ids])
    writer.add_token_scores([tokenizer.get_score(i) for i in ids])
    writer.add_token_types([kind(i) for i in ids])
    writer.add_bos_token_id(tokenizer.bos_id())
    writer.add_eos_token_id(tokenizer.eos_id())
    writer.add_unk_token_id(tokenizer.unk_id())
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)


def tensors(weights):
    """In GGUF's names. Our RoPE turns neighbours, as GGUF's llama does: nothing is permuted."""
    yield "token_embd.weight", weights["embedding.weight"]
    yield "output_norm.weight", weights["norm.weight"]
    names = {"attention_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "out": "attn_output",
             "ffn_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}
    for layer in range(train.LAYERS):
        for ours, theirs in names.items():
            yield f"blk.{layer}.{theirs}.weight", weights[f"layers.{layer}.{ours}.weight"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("run", type=pathlib.Path)
    arguments.add_argument("output", type=pathlib.Path)
    arguments.add_argument("--type", choices=("Q8_0", "F32"), default="Q8_0")
    settings = arguments.parse_args()

    weights = torch.load(settings.run / "checkpoint.pt", weights_only=False)["model"]
    writer = gguf.GGUFWriter(settings.output, "llama")
    add_sizes(writer)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if settings.type == "Q8_0" else gguf.LlamaFileType.ALL_F32)
    add_tokenizer(writer, sentencepiece.SentencePieceProcessor(model_file=str(settings.run / "tokenizer.model")))
    for name, weight in tensors(weights):
        array = weight.float().numpy()
        if settings.type == "Q8_0" and array.ndim == 2:
            quantised = gguf.quants.quantize(array.astype(np.float32), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
