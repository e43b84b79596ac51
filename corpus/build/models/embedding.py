"""A bge-m3-shaped (XLM-R) encoder: the whole sequence in, one vector per position out."""

import math

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op

from . import common
from .quantized import linear


class Embeddings(nn.Module):
    def __init__(self, config):
        hidden = config["hidden_size"]
        self.offset = config.get("first_position", config["pad_token_id"] + 1)
        self.word_embeddings = nn.Embedding(config["vocab_size"], hidden)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], hidden)
        self.token_type_embeddings = nn.Embedding(config.get("type_vocab_size", 1), hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=config["layer_norm_eps"])

    def forward(self, inputs):
        batch, length = inputs.shape

        def add(words: te.Tensor, positions: te.Tensor, types: te.Tensor):
            return te.compute(
                words.shape,
                lambda b, t, c: words[b, t, c] + positions[t + self.offset, c] + types[0, c],
                name="add_embeddings")

        words = self.word_embeddings(inputs)
        return self.LayerNorm(op.tensor_expr_op(add, "add_embeddings", [
            words, self.position_embeddings.weight, self.token_type_embeddings.weight]))


class SelfAttention(nn.Module):
    def __init__(self, config):
        hidden = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.width = hidden // self.heads
        self.ignores_mask = config.get("ignores_mask", False)
        self.query = linear(config, hidden, hidden, bias=True)
        self.key = linear(config, hidden, hidden, bias=True)
        self.value = linear(config, hidden, hidden, bias=True)

    def forward(self, x, mask):
        batch, length, hidden = x.shape

        def by_head(value):
            value = op.reshape(value, (batch, length, self.heads, self.width))
            return op.permute_dims(value, [0, 2, 1, 3])

        q, k, v = by_head(self.query(x)), by_head(self.key(x)), by_head(self.value(x))
        scores = op.matmul(q, op.permute_dims(k, [0, 1, 3, 2]), out_dtype="float32")

        def masked(score: te.Tensor, seen: te.Tensor):
            return te.compute(
                score.shape,
                lambda b, h, i, j: tirx.if_then_else(
                    seen[b, j] > 0, score[b, h, i, j] * (1.0 / math.sqrt(self.width)),
                    tirx.const(-10000.0, "float32")),
                name="masked_scores")

        if self.ignores_mask:
            scores = scores * (1.0 / math.sqrt(self.width))
        else:
            scores = op.tensor_expr_op(masked, "masked_scores", [scores, mask])
        weights = op.softmax(scores, axis=-1)
        out = op.matmul(op.astype(weights, x.dtype), v)
        return op.reshape(op.permute_dims(out, [0, 2, 1, 3]), (batch, length, hidden))


class Output(nn.Module):
    """A projection, the residual, a layer norm."""

    def __init__(self, config, width):
        self.dense = linear(config, width, config["hidden_size"], bias=True)
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])

    def forward(self, x, residual):
        return self.LayerNorm(self.dense(x) + residual)


class Layer(nn.Module):
    def __init__(self, config):
        self.attention = SelfAttention(config)
        self.attention_output = Output(config, config["hidden_size"])
        self.intermediate = linear(config, config["hidden_size"],
                                   config["intermediate_size"], bias=True)
        self.output = Output(config, config["intermediate_size"])

    def forward(self, x, mask):
        x = self.attention_output(self.attention(x, mask), x)
        return self.output(op.gelu(self.intermediate(x)), x)


class EmbeddingModel(nn.Module):
    def __init__(self, config):
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config["num_hidden_layers"])])

    def prefill(self, inputs: nn.Tensor, attention_mask: nn.Tensor):
        x = self.embeddings(inputs)
        for layer in self.layers:
            x = layer(x, attention_mask)
        return x


def build(config, dtype, target):
    model = EmbeddingModel(config)
    model.to(dtype)
    ids = nn.spec.Tensor(["batch_size", "seq_len"], "int32")
    spec = {"prefill": common.packed({"inputs": ids, "attention_mask": ids})}
    module, named = model.export_tvm(spec=spec)[:2]
    cached = None if config.get("ignores_mask") else config["num_hidden_layers"]
    value = common.metadata(config, dtype, common.parameters(named), cached,
                            "kv_cache", task="embedding")
    value["embedding_metadata"] = {"model_type": "encoder", "normalize": True,
                                   "pooling_strategy": config.get("pooling", "cls")}
    return module, value
