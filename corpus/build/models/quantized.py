"""4-bit linear layers in mlc-llm's q4f16_1 layout.

`q_weight` uint32 [out, in / 8]: eight 4-bit values per word, the lowest bits first.
`q_scale` [out, in / 32]: one scale per group of 32. A weight is (value - 7) * scale.
Linear layers are quantised; token embeddings too where the configuration says
`quantize_embedding`, as mlc-llm does. With `fuse_dequantize` a weight is unpacked where it
is used, in one kernel with the product, as mlc-llm's pipeline has it; else by a kernel of
its own.
"""

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op

PER_WORD, GROUP, ZERO = 8, 32, 7


def unpacked(words: te.Tensor, scales: te.Tensor, rows, columns):
    """The weights that words and scales stand for."""

    def at(i, j):
        shift = tirx.Cast("uint32", (j % PER_WORD) * 4)
        value = (words[i, j // PER_WORD] >> shift) & tirx.const(15, "uint32")
        return (value.astype("int32") - ZERO).astype(scales.dtype) * scales[i, j // GROUP]

    return te.compute((rows, columns), at, name="dequantize")


def product(x: nn.Tensor, q_weight, q_scale) -> nn.Tensor:
    """x times the transposed weight, unpacked in the same kernel and summed in float32."""
    rows, columns = q_weight.shape[0], q_weight.shape[1] * PER_WORD

    def kernel(value: te.Tensor, words: te.Tensor, scales: te.Tensor):
        weight = unpacked(words, scales, rows, columns)
        k = te.reduce_axis((0, columns), name="k")
        return te.compute(
            (*value.shape[:-1], rows),
            lambda *at: te.sum(value[(*at[:-1], k)].astype("float32")
                               * weight[at[-1], k].astype("float32"), axis=k),
            name="matmul")

    return op.tensor_expr_op(kernel, "dequantize_matmul", [x, q_weight, q_scale])


class Linear(nn.Module):
    def __init__(self, inputs, outputs, bias, fused=False):
        self.inputs, self.outputs, self.fused = inputs, outputs, fused
        self.q_weight = nn.Parameter((outputs, inputs // PER_WORD), "uint32")
        self.q_scale = nn.Parameter((outputs, inputs // GROUP))
        self.bias = nn.Parameter((outputs,)) if bias else None

    def to(self, dtype=None):
        self.q_scale.to(dtype=dtype)  # the packed words keep their type
        if self.bias is not None:
            self.bias.to(dtype=dtype)

    def forward(self, x):
        if self.fused:
            out = op.astype(product(x, self.q_weight, self.q_scale), x.dtype)
            return out if self.bias is None else out + self.bias
        weight = op.tensor_expr_op(
            lambda words, scales: unpacked(words, scales, self.outputs, self.inputs),
            "dequantize", [self.q_weight, self.q_scale])
        out = op.matmul(x, op.permute_dims(weight))
        return out if self.bias is None else out + self.bias


class Embedding(nn.Module):
    """A token embedding, quantised as linear layers are; also the output head."""

    def __init__(self, count, width):
        self.width = width
        self.q_weight = nn.Parameter((count, width // PER_WORD), "uint32")
        self.q_scale = nn.Parameter((count, width // GROUP))

    def to(self, dtype=None):
        self.q_scale.to(dtype=dtype)

    def forward(self, ids: nn.Tensor) -> nn.Tensor:
        words = op.take(self.q_weight, ids, axis=0)
        scales = op.take(self.q_scale, ids, axis=0)
        return op.tensor_expr_op(lambda w, s: unpacked(w, s, ids.shape[0], self.width),
                                 "dequantize_take", [words, scales])

    def head(self, x: nn.Tensor) -> nn.Tensor:
        return product(x, self.q_weight, self.q_scale)


def linear(config, inputs, outputs, bias=False):
    """A linear layer, quantised if the configuration says so."""
    if config.get("quantization") == "q4f16_1":
        return Linear(inputs, outputs, bias, config.get("fuse_dequantize", False))
    return nn.Linear(inputs, outputs, bias=bias)
