#!/usr/bin/env python3
"""gguf_agreement.py GGUF_LOGITS: our logits of every shape in every type against NumPy's and those of transformers.

GGUF_LOGITS is gguf_logits.cpp, built. The exit status is 1 if any are further apart than gguf_reference.py allows.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import gguf_shapes

TOKENS = "1 5 700 31999 2 17 17 300 9 1000 4 5".split()


def main(gguf_logits):
    reference = Path(__file__).with_name("gguf_reference.py")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        model, logits = Path(folder, "model.gguf"), Path(folder, "logits.txt")
        for shape in gguf_shapes.SHAPES:
            for kind in gguf_shapes.FILE_TYPES:
                print(f"{shape}, {kind}", flush=True)
                gguf_shapes.write(shape, kind, model)
                with open(logits, "wb") as out:
                    subprocess.run([gguf_logits, model, *TOKENS], stdout=out, check=True)
                asked = [sys.executable, reference, model, *TOKENS, "--against", logits, "--transformers"]
                failed += subprocess.run(asked).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
