"""A decoder that keeps an RNN state alone, with the functions of RWKV libraries.

Every layer is a gated delta rule (hybrid.py); there is no KV cache. As in RWKV
libraries the state parameter is called `state` and the context is unlimited.
"""

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op

from . import common, hybrid, rnn_state


class RecurrentForCausalLM(common.CausalLM):
    def __init__(self, config, target):
        self.config = config
        self.dtype = "float32"
        self.model = hybrid.Model(config, target)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)

    def prefill(self, input_embed: nn.Tensor, state: rnn_state.RNNState):
        x, state = self.model(input_embed, None, state)
        return self.logits(common.last_position(x)), state

    def decode(self, input_embed: nn.Tensor, state: rnn_state.RNNState):
        x, state = self.model(input_embed, None, state)
        return self.logits(x), state

    def batch_prefill(self, input_embeds: nn.Tensor, logit_positions: nn.Tensor,
                      state: rnn_state.RNNState):
        x, state = self.model(input_embeds, None, state)
        return self.logits(op.take(x, logit_positions, axis=1)), state

    def batch_decode(self, input_embeds: nn.Tensor, state: rnn_state.RNNState):
        x, state = self.model(input_embeds, None, state)
        return self.logits(x), state

    def create_rnn_state(self, max_batch_size, max_history):
        layer = self.model.layers[0].linear_attn
        states = [((1, layer.taps - 1, layer.channels), self.dtype),
                  ((layer.value_heads, layer.key_width, layer.value_width), "float32")]
        return rnn_state.create(self.config["num_hidden_layers"], max_batch_size, max_history,
                                states)

    def spec(self):
        hidden = self.config["hidden_size"]
        state = {"state": nn.spec.Object(object_type=rnn_state.RNNState)}

        def embeds(*dims):
            return nn.spec.Tensor([*dims, hidden], self.dtype)

        shared = common.shared_spec(self.config)
        del shared["create_tir_paged_kv_cache"]
        return {
            "prefill": common.packed({"input_embed": embeds(1, "seq_len"), **state}),
            "decode": common.packed({"input_embed": embeds(1, 1), **state}),
            "batch_prefill": common.packed({
                "input_embeds": embeds(1, "seq_len"),
                "logit_positions": nn.spec.Tensor(["batch_size"], "int32"), **state}),
            "batch_decode": common.packed({"input_embeds": embeds("batch_size", 1), **state}),
            "create_rnn_state": common.plain({"max_batch_size": int, "max_history": int}),
            **shared,
        }


def build(config, dtype, target):
    model = RecurrentForCausalLM(config, target)
    model.to(dtype)
    module, named = model.export_tvm(spec=model.spec())[:2]
    return module, common.metadata(config, dtype, common.parameters(named), None, "rnn_state")
