#!/usr/bin/env python3
"""Opens snapshots with Python's own safetensors: what is in them, and whether it is consistent.

    snapshot.py FILE...                  prints keys, dtypes, shapes and metadata, and checks them
    snapshot.py --rewrite FROM TO        the same tensors as Python writes them, in another order, and one more

Needs numpy, safetensors and ml_dtypes. Not part of the tests: those have no Python.
"""
import json
import sys

import ml_dtypes  # noqa: F401 (numpy knows bfloat16 by it)
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def metadata_of(path):
    with safe_open(path, framework="numpy") as file:
        return file.metadata()


def of_lanes(tensor, extents):
    """The pieces of a tensor of slots, lane by lane, whether all lanes are equal or not."""
    flat = tensor.reshape((-1,) + tensor.shape[3:]) if len(set(extents)) == 1 else tensor
    return np.split(flat, np.cumsum(extents)[:-1])


def check(path):
    tensors, metadata = load_file(path), metadata_of(path)
    settings = json.loads(metadata["settings"])
    print(f"{path}\n  format {metadata['format']!r}, version {metadata['version']!r}")
    print(f"  settings {json.dumps(settings)}")
    for name, tensor in sorted(tensors.items()):
        print(f"  {name:18} {str(tensor.dtype):9} {list(tensor.shape)}")

    assert (metadata["format"], metadata["version"]) == ("msrnn state", "1")
    shape = settings["shape"]
    budgets, extents, seen = (tensors[f"lanes.{name}"] for name in ("budget", "extent", "seen"))
    lanes = extents.shape
    assert lanes[0] == shape["layers"] and lanes[1] in (1, shape["kv_heads"])
    assert budgets.shape == seen.shape == lanes and tensors["lanes.shown"].shape == lanes + (3,)
    extents, per_lane = extents.ravel(), shape["kv_heads"] // lanes[1]
    equal = len(set(extents)) == 1
    slots = lanes + (extents[0],) if equal else (extents.sum(),)
    rows = (shape["layers"], shape["kv_heads"], extents[0]) if equal else (extents.sum() * per_lane,)
    for name in ("position", "arrival", "rating", "pinned"):
        assert tensors[f"slots.{name}"].shape == slots, name
    for name in ("key", "value"):
        assert tensors[f"rows.{name}"].shape == rows + (shape["head_dim"],), name
        if settings["scalar"] == "I8":
            assert tensors[f"rows.{name}_scale"].shape == rows, name

    vacant = 0
    pieces = (of_lanes(tensors[f"slots.{name}"], extents) for name in ("arrival", "pinned"))
    for arrivals, pinned, tokens, budget in zip(*pieces, seen.ravel(), budgets.ravel()):
        live = arrivals[arrivals >= 0]
        assert len(set(live)) == len(live) and (live < tokens).all()
        assert sorted(arrivals[arrivals < 0]) == list(range(len(live) - len(arrivals), 0))
        assert budget == -1 or len(live) <= budget
        assert not pinned[arrivals < 0].any()
        vacant += len(arrivals) - len(live)
    for name in ("rows.key", "rows.value", "slots.rating"):
        assert np.isfinite(tensors[name].astype(np.float32)).all(), name
    print(f"  consistent: {len(extents)} lanes of {sorted(set(extents.tolist()))} slots, {vacant} vacant, "
          f"{sorted(set(seen.ravel().tolist()))} tokens seen")


def rewrite(source, target):
    tensors, metadata = load_file(source), metadata_of(source)
    again = {"logits": np.arange(7, dtype=np.float16)}
    again.update((name, tensors[name]) for name in sorted(tensors, reverse=True))
    save_file(again, target, metadata=metadata)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rewrite"] and len(sys.argv) == 4:
        rewrite(*sys.argv[2:])
    elif len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        for each in sys.argv[1:]:
            check(each)
    else:
        sys.exit(__doc__)
