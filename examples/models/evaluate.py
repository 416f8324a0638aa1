#!/usr/bin/env python3
"""Bits per byte of a GGUF file of export.py on texts, at the trained context.

    python evaluate.py TOKENIZER.model english-prose.gguf TEXT...

Every token is scored, in windows that do not overlap: a token sees half a context on average.
"""
import argparse
import math
import pathlib

import gguf
import numpy as np
import sentencepiece
import torch

import export
import train


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("tokenizer")
    arguments.add_argument("model")
    arguments.add_argument("texts", nargs="+", type=pathlib.Path)
    settings = arguments.parse_args()

    stored = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(settings.model).tensors}
    model = train.Llama()
    names = {theirs: ours for theirs, ours in export.tensors({name: name for name in model.state_dict()})}
    model.load_state_dict({ours: torch.from_numpy(np.array(stored[theirs])) for theirs, ours in names.items()})
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=settings.tokenizer)
    for path in settings.texts:
        text = path.read_text(encoding="utf-8")
        tokens = np.array(tokenizer.encode(text), np.uint16)
        bits, scored = train.bits(model, tokens, torch.float32)
        print(f"{path.name}: {bits * len(tokens) / len(text.encode()):.4f} bits per byte, "
              f"perplexity {math.exp(bits * math.log(2)):.3f} a token, {scored} of {len(tokens)} tokens scored")


if __name__ == "__main__":
    main()
