"""4-bit linear layers in mlc-llm's q4f16_1 layout.

`q_weight` uint32 [out, in / 8]: eight 4-bit values per word, the lowest bits first.
`q_scale` [out, in / 32]: one scale per group of 32. A weight is (value - 7) * scale.
Only linear layers are quantised; embeddings stay in the model's dtype.
"""

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op

PER_WORD, GROUP, ZERO = 8, 32, 7


class Linear(nn.Module):
    def __init__(self, inputs, outputs, bias):
        self.inputs, self.outputs = inputs, outputs
        self.q_weight = nn.Parameter((outputs, inputs // PER_WORD), "uint32")
        self.q_scale = nn.Parameter((outputs, inputs // GROUP))
        self.bias = nn.Parameter((outputs,)) if bias else None

    def to(self, dtype=None):
        self.q_scale.to(dtype=dtype)  # the packed words keep their type
        if self.bias is not None:
            self.bias.to(dtype=dtype)

    def forward(self, x):
        def unpack(words: te.Tensor, scales: te.Tensor):
            def at(i, j):
                shift = tirx.Cast("uint32", (j % PER_WORD) * 4)
                value = (words[i, j // PER_WORD] >> shift) & tirx.const(15, "uint32")
                return ((value.astype("int32") - ZERO).astype(scales.dtype)
                        * scales[i, j // GROUP])

            return te.compute((self.outputs, self.inputs), at, name="dequantize")

        weight = op.tensor_expr_op(unpack, "dequantize", [self.q_weight, self.q_scale])
        out = op.matmul(x, op.permute_dims(weight))
        return out if self.bias is None else out + self.bias


def linear(config, inputs, outputs, bias=False):
    """A linear layer, quantised if the configuration says so."""
    if config.get("quantization") == "q4f16_1":
        return Linear(inputs, outputs, bias)
    return nn.Linear(inputs, outputs, bias=bias)
