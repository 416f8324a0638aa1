#!/usr/bin/env python3
"""Train the small Llama-architecture model of this folder: text in, checkpoints and a loss curve out.

    python train.py BOOKS_TRAIN HELDOUT.txt RUN_FOLDER [--steps 2100]

BOOKS_TRAIN is a folder of plain-text books. The run can be stopped and started again: it goes on from
RUN_FOLDER/checkpoint.pt, written every ten minutes. README.md beside this file says what came of it.
"""
import argparse
import json
import math
import pathlib
import time

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY = 2048
CONTEXT = 1024
WIDTH, LAYERS, QUERY_HEADS, KV_HEADS, HIDDEN = 256, 6, 8, 2, 512
HEAD_DIM = WIDTH // QUERY_HEADS
ROPE_BASE = 10000.0
RMS_EPSILON = 1e-5
TOKENS_PER_STEP = 16 * CONTEXT
FIRST_CONTEXT, FIRST_PART = 256, 0.5  # short windows at first: attention is half the time of a step at 1024
SEED = 1711
VALIDATION_BYTES = 10_000  # the end of every training book: monitored, never trained on
CHECKPOINT_SECONDS = 600
BOS = 1


def train_tokenizer(texts, path):
    """A SentencePiece BPE with byte fallback. Newlines are ordinary characters, so that '.\\n\\n' can be one piece."""

    def pieces_of_four_thousand():
        for text in texts:
            for start in range(0, len(text), 4000):
                yield text[start:start + 4000]

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=pieces_of_four_thousand(), model_prefix=str(path.with_suffix("")), model_type="bpe",
        vocab_size=VOCABULARY, byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, split_digits=True, max_sentence_length=8000, num_threads=2,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=1)


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + RMS_EPSILON) * self.weight


def rotate(x, cos, sin):
    """RoPE on neighbouring pairs, as Meta's llama and GGUF order them; x is [batch, head, token, head_dim]."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        kv_width = KV_HEADS * HEAD_DIM
        self.attention_norm, self.ffn_norm = RmsNorm(), RmsNorm()
        self.q = nn.Linear(WIDTH, WIDTH, bias=False)
        self.k = nn.Linear(WIDTH, kv_width, bias=False)
        self.v = nn.Linear(WIDTH, kv_width, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x, cos, sin):
        batch, tokens, _ = x.shape
        h = self.attention_norm(x)
        q = self.q(h).view(batch, tokens, QUERY_HEADS, HEAD_DIM).transpose(1, 2)
        k = self.k(h).view(batch, tokens, KV_HEADS, HEAD_DIM).transpose(1, 2)
        v = self.v(h).view(batch, tokens, KV_HEADS, HEAD_DIM).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        group = QUERY_HEADS // KV_HEADS
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, tokens, WIDTH))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    """Tied embedding; the residual stream stays in float32."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = RmsNorm()
        angle = torch.arange(CONTEXT).float()[:, None] * ROPE_BASE ** (-torch.arange(0, HEAD_DIM, 2).float() / HEAD_DIM)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        cos, sin = self.cos[:tokens.shape[1]], self.sin[:tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = F.linear(self.norm(x), self.embedding.weight).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")


def orthogonalised(g):
    """Newton-Schulz to the nearest orthogonal matrix (Muon, Jordan et al. 2024: five steps, quintic coefficients)."""
    x = g.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).float()


class Muon:
    def __init__(self, parameters, momentum=0.95, weight_decay=0.1):
        self.parameters, self.momentum, self.weight_decay = list(parameters), momentum, weight_decay
        self.velocity = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate):
        for p, velocity in zip(self.parameters, self.velocity):
            velocity.lerp_(p.grad, 1 - self.momentum)
            update = orthogonalised(p.grad.lerp(velocity, self.momentum))
            p.mul_(1 - rate * self.weight_decay)
            p.add_(update, alpha=-rate * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def windows(tokens, length=CONTEXT):
    """Inputs [BOS t0 .. t(n-2)] and targets [t0 .. t(n-1)] of windows that follow one another; the tail is left out."""
    count = len(tokens) // length
    targets = torch.from_numpy(tokens[:count * length].astype(np.int64)).view(count, length)
    return torch.cat((torch.full((count, 1), BOS), targets[:, :-1]), 1), targets


def bits(model, tokens, arithmetic=torch.bfloat16):
    """Bits per token over windows of CONTEXT tokens that do not overlap, BOS before each; and the tokens scored."""
    inputs, targets = windows(tokens)
    total = 0.0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=arithmetic == torch.bfloat16):
        for start in range(0, len(inputs), 4):
            total += model(inputs[start:start + 4], targets[start:start + 4]).double().sum().item()
    return total / math.log(2) / targets.numel(), targets.numel()


def epoch_batches(tokens, epoch, length):
    """Every token once an epoch: the stream is cut at a fresh offset and the windows are shuffled."""
    generator = np.random.default_rng([SEED, epoch])
    inputs, targets = windows(tokens[generator.integers(length):], length)
    order = generator.permutation(len(inputs))
    sequences = TOKENS_PER_STEP // length
    for start in range(0, len(order) - sequences + 1, sequences):
        chosen = order[start:start + sequences]
        yield inputs[chosen], targets[chosen]


def rate_at(fraction):
    """Warm up over 1 %, hold to 35 %, then fall in a straight line to 2 %."""
    return min(1.0, fraction / 0.01, max(0.02, 1 - (fraction - 0.35) / 0.65))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("books", type=pathlib.Path)
    arguments.add_argument("heldout", type=pathlib.Path)
    arguments.add_argument("run", type=pathlib.Path)
    arguments.add_argument("--steps", type=int, default=2100, help="length of the whole run, which sets the schedule")
    arguments.add_argument("--muon", type=float, default=0.02)
    arguments.add_argument("--adam", type=float, default=0.004)
    arguments.add_argument("--threads", type=int, default=2)
    settings = arguments.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(settings.threads)
    settings.run.mkdir(parents=True, exist_ok=True)
    books = [path.read_text(encoding="ascii") for path in sorted(settings.books.glob("*.txt"))]
    heldout = settings.heldout.read_text(encoding="ascii")
    tokenizer_path = settings.run / "tokenizer.model"
    if not tokenizer_path.exists():
        train_tokenizer([book[:-VALIDATION_BYTES] for book in books], tokenizer_path)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer_path))

    def encoded(texts):
        return np.concatenate([np.array(tokenizer.encode(text), np.uint16) for text in texts])

    training = encoded(book[:-VALIDATION_BYTES] for book in books)
    validation_texts = [book[-VALIDATION_BYTES:] for book in books]
    validation, heldout_tokens = encoded(validation_texts), encoded([heldout])
    bytes_per_token = {"validation": sum(map(len, validation_texts)) / len(validation), "heldout": len(heldout) / len(heldout_tokens)}
    print(f"{len(training)} tokens to train on, {bytes_per_token} bytes per token", flush=True)

    model = Llama()
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    matrices = [p for p in model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.0)
    step, epoch, batch_in_epoch, length, trained_seconds, curve = 0, 0, 0, FIRST_CONTEXT, 0.0, []
    checkpoint_path = settings.run / "checkpoint.pt"
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path, weights_only=False)
        model.load_state_dict(saved["model"])
        adam.load_state_dict(saved["adam"])
        muon.velocity = saved["velocity"]
        step, epoch, batch_in_epoch, length, trained_seconds, curve = (
            saved[key] for key in ("step", "epoch", "batch", "length", "seconds", "curve"))
        print(f"going on from step {step}", flush=True)

    def save():
        temporary = checkpoint_path.with_suffix(".new")
        torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "velocity": muon.velocity, "step": step, "epoch": epoch,
                    "batch": batch_in_epoch, "length": length, "seconds": trained_seconds, "curve": curve}, temporary)
        temporary.replace(checkpoint_path)
        (settings.run / "curve.json").write_text(json.dumps(curve))

    compiled = torch.compile(model, dynamic=False)
    last_save, recent, previous = time.time(), [], time.time()
    done = False
    while not done:
        for index, (inputs, targets) in enumerate(epoch_batches(training, epoch, length)):
            if index < batch_in_epoch:
                continue
            if step >= settings.steps:
                done = True
                break
            rate = rate_at(step / settings.steps)
            with torch.autocast("cpu", torch.bfloat16):
                loss = compiled(inputs, targets).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(others, 1.0)
            muon.step(settings.muon * rate)
            for group in adam.param_groups:
                group["lr"] = settings.adam * rate
            adam.step()
            model.zero_grad(set_to_none=True)
            recent.append(loss.item())
            step, batch_in_epoch = step + 1, index + 1
            now = time.time()
            trained_seconds, previous = trained_seconds + min(now - previous, 20.0), now
            if step % 100 == 0:
                point = {"step": step, "tokens": step * TOKENS_PER_STEP, "context": length, "minutes": round(trained_seconds / 60, 2),
                         "rate": round(rate, 4), "training_loss": round(float(np.mean(recent)), 4)}
                recent = []
                if step % 500 == 0:
                    point["validation_bits_per_byte"] = round(bits(model, validation)[0] / bytes_per_token["validation"], 4)
                    previous = time.time()
                curve.append(point)
                print(json.dumps(point), flush=True)
            if now - last_save > CHECKPOINT_SECONDS:
                save()
                last_save = previous = time.time()
        else:
            epoch, batch_in_epoch = epoch + 1, 0
            length = CONTEXT if step >= FIRST_PART * settings.steps else FIRST_CONTEXT

    per_token, scored = bits(model, heldout_tokens)
    curve.append({"step": step, "tokens": step * TOKENS_PER_STEP, "epochs": epoch,
                  "validation_bits_per_byte": round(bits(model, validation)[0] / bytes_per_token["validation"], 4),
                  "heldout_bits_per_byte": round(per_token / bytes_per_token["heldout"], 4), "heldout_tokens": scored})
    print(json.dumps(curve[-1]), flush=True)
    save()


if __name__ == "__main__":
    main()
