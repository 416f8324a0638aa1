#!/usr/bin/env python3
"""gguf_weights.py GGUF_WEIGHTS FILE...: whether our weights of every tensor are those of the package gguf, bit for bit.

GGUF_WEIGHTS is gguf_weights.cpp, built; FILE is a real model, from examples/models/fetch.sh say. The exit status is 1 if
any weight differs.
"""

import subprocess
import sys
from collections import Counter

import gguf
import numpy as np

READ = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL".split()


def differences(program, path):
    """Tensors of each type, and the names of those that differ."""
    counts, different = Counter(), []
    with subprocess.Popen([program, path], stdout=subprocess.PIPE) as ours:
        for tensor in gguf.GGUFReader(path).tensors:
            kind = tensor.tensor_type.name
            if kind not in READ:
                print(f"{path}: {tensor.name} is {kind}, which is not read")
                continue
            theirs = np.ascontiguousarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32).tobytes()
            counts[kind] += 1
            if ours.stdout.read(len(theirs)) != theirs:
                different.append(tensor.name)
        if ours.stdout.read(1):
            different.append("what comes behind the last tensor")
    if ours.returncode != 0:
        different.append("the program's exit status")
    return counts, different


def main(program, paths):
    failed = 0
    for path in paths:
        counts, different = differences(program, path)
        print(f"{path}: {dict(counts)}, {'different: ' + ', '.join(different) if different else 'all equal'}")
        failed += bool(different)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
