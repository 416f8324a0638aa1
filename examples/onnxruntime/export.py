#!/usr/bin/env python3
"""A Llama model in a GGUF file as an ONNX graph whose keys and values belong to the caller.

    python export.py english-prose.gguf english-prose.onnx

Inputs: ids [tokens], positions [tokens], past_key.L and past_value.L [kv_heads, past, head_dim] of each layer.
Outputs: logits [tokens, vocabulary], and of each layer
    key.L, value.L      [kv_heads, tokens, head_dim]           of the new tokens alone; keys are rotated
    weights.L           [query_heads, tokens, past + tokens]   after the softmax
    query.L, output.L   [query_heads, tokens, head_dim]        rotated queries; what attention gives

Every new token sees all of the past and the new tokens up to itself. Float32. Rows of the past are never copied: the
scores are joined, not the keys.
"""
import argparse

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Nodes in the order in which they are computed; an array becomes a constant."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs, self.count = [], [], [], [], 0

    def name(self):
        self.count += 1
        return f"n{self.count}"

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), self.name()))
        return self.constants[-1].name

    def __call__(self, kind, *inputs, **attributes):
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(kind, names, [self.name()], **attributes))
        return self.nodes[-1].output[0]

    def shaped(self, x, *sizes):
        return self("Reshape", x, np.array(sizes, np.int64))

    def add_input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def add_output(self, name, x, shape):
        self.nodes.append(helper.make_node("Identity", [x], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def export(path):
    reader = gguf.GGUFReader(path)

    def setting(name, default=None):
        field = reader.get_field(name)
        return default if field is None else field.contents()

    if setting("general.architecture") != "llama" or setting("llama.rope.scaling.type", "none") != "none":
        raise SystemExit(f"{path}: only Llama models whose RoPE is not scaled are exported.")
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
    heads = setting("llama.attention.head_count")
    kv_heads = setting("llama.attention.head_count_kv", heads)
    vocabulary, dim = tensors["token_embd.weight"].shape
    wide = setting("llama.attention.key_length", dim // heads)
    if "rope_freqs.weight" in tensors or setting("llama.rope.dimension_count", wide) != wide:
        raise SystemExit(f"{path}: only RoPE of whole heads, without factors, is exported.")
    epsilon = np.float32(setting("llama.attention.layer_norm_rms_epsilon"))
    base = np.float32(setting("llama.rope.freq_base", 10000.0))

    g = Graph()
    matrix = lambda x, name: g("MatMul", x, tensors[name].T)
    two = np.float32(2)

    def normed(x, name):
        mean_square = g("ReduceMean", g("Pow", x, two), axes=[-1])
        return g("Mul", g("Div", x, g("Sqrt", g("Add", mean_square, epsilon))), tensors[name])

    # RoPE on pairs of neighbours, the angle a float: (x, y) -> x * cos + (-y, x) * sin.
    ids = g.add_input("ids", ["tokens"], TensorProto.INT64)
    positions = g("Cast", g.add_input("positions", ["tokens"], TensorProto.INT64), to=TensorProto.FLOAT)
    frequencies = 1 / base ** (np.arange(wide // 2, dtype=np.float32) / np.float32(wide // 2))
    angles = g("Mul", g.shaped(positions, -1, 1), np.repeat(frequencies.astype(np.float32), 2))
    cosines, sines = g("Cos", angles), g("Sin", angles)
    quarter = np.kron(np.eye(wide // 2, dtype=np.float32), np.array([[0, 1], [-1, 0]], np.float32))
    rotated = lambda x: g("Add", g("Mul", x, cosines), g("Mul", g("MatMul", x, quarter), sines))

    # New tokens do not see those behind them.
    size = g("Shape", ids)
    square = g("Expand", np.float32(-np.inf), g("Concat", size, size, axis=0))
    unseen = g("Tile", g("Trilu", square, np.int64(1), upper=1), np.array([heads // kv_heads, 1]))

    x = g("Gather", tensors["token_embd.weight"], ids)
    for layer in range(setting("llama.block_count")):
        of = lambda name: f"blk.{layer}.{name}.weight"
        past = [kv_heads, f"past_{layer}", wide]  # layers may keep different numbers of tokens
        past_key = g.add_input(f"past_key.{layer}", past)
        past_value = g.add_input(f"past_value.{layer}", past)
        y = normed(x, of("attn_norm"))
        by_head = lambda x, n: g("Transpose", g.shaped(x, -1, n, wide), perm=[1, 0, 2])
        query = rotated(by_head(matrix(y, of("attn_q")), heads))
        key = rotated(by_head(matrix(y, of("attn_k")), kv_heads))
        value = by_head(matrix(y, of("attn_v")), kv_heads)

        # The query heads of a KV head and their tokens are the rows of one product.
        rows = g.shaped(query, kv_heads, -1, wide)
        scored = lambda keys: g("MatMul", rows, g("Transpose", keys, perm=[0, 2, 1]))
        scores = g("Concat", scored(past_key), g("Add", scored(key), unseen), axis=2)
        weights = g("Softmax", g("Mul", scores, np.float32(wide**-0.5)), axis=2)
        known = g("Shape", past_key, start=1, end=2)
        of_past = g("Slice", weights, np.array([0]), known, np.array([2]))
        of_new = g("Slice", weights, known, np.array([2**62]), np.array([2]))
        output = g.shaped(g("Add", g("MatMul", of_past, past_value), g("MatMul", of_new, value)), heads, -1, wide)
        attended = g.shaped(g("Transpose", output, perm=[1, 0, 2]), -1, heads * wide)
        x = g("Add", x, matrix(attended, of("attn_output")))

        y = normed(x, of("ffn_norm"))
        gate = matrix(y, of("ffn_gate"))
        gated = g("Mul", g("Mul", gate, g("Sigmoid", gate)), matrix(y, of("ffn_up")))
        x = g("Add", x, matrix(gated, of("ffn_down")))

        g.add_output(f"key.{layer}", key, [kv_heads, "tokens", wide])
        g.add_output(f"value.{layer}", value, [kv_heads, "tokens", wide])
        by_query_head = g("Concat", np.array([heads, -1]), g("Shape", weights, start=2), axis=0)
        weights = g("Reshape", weights, by_query_head)
        g.add_output(f"weights.{layer}", weights, [heads, "tokens", f"all_{layer}"])
        g.add_output(f"query.{layer}", query, [heads, "tokens", wide])
        g.add_output(f"output.{layer}", output, [heads, "tokens", wide])
    head = "output.weight" if "output.weight" in tensors else "token_embd.weight"
    g.add_output("logits", matrix(normed(x, "output_norm.weight"), head), ["tokens", vocabulary])
    return helper.make_model(helper.make_graph(g.nodes, "llama", g.inputs, g.outputs, g.constants),
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("gguf")
    arguments.add_argument("onnx")
    settings = arguments.parse_args()
    model = export(settings.gguf)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, settings.onnx)


if __name__ == "__main__":
    main()
