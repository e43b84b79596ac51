"""The RNN state object of `vm.builtin.rnn_state_*`, and its per-state copy kernels.

Storage of one state: [max_batch_size, max_history, *shape]. A getter copies the
slot of each sequence's current history step out; a setter writes the next step.
"""

import numpy as np
from tvm import relax
from tvm.relax.frontend import nn
from tvm.script import tirx as T

from . import compat


class RNNState(nn.Object):
    def get(self, layer, state, shape, dtype) -> nn.Tensor:
        call = relax.call_dps_packed(
            "vm.builtin.rnn_state_get",
            [self._expr, compat.prim_value(layer), compat.prim_value(state)],
            compat.tensor_type(shape, dtype))
        return nn.Tensor(_expr=relax.BlockBuilder.current().emit(call))

    def set(self, layer, state, value) -> "RNNState":
        call = compat.call_pure_packed(
            "vm.builtin.rnn_state_set", self._expr, compat.prim_value(layer),
            compat.prim_value(state), value._expr, out=compat.object_type())
        return RNNState(_expr=relax.BlockBuilder.current().emit(call), _name="rnn_state")


def _getter(dims, dtype):
    d0, d1, d2 = dims

    @T.prim_func(s_tir=True)
    def rnn_state_get(var_storage: T.handle, var_slots: T.handle, var_steps: T.handle,
                      var_out: T.handle):
        T.func_attr({"tirx.noalias": True})
        batch = T.int64()
        capacity = T.int64()
        history = T.int64()
        slots_offset = T.int64()
        steps_offset = T.int64()
        storage = T.match_buffer(var_storage, (capacity, history, d0, d1, d2), dtype)
        slots = T.match_buffer(var_slots, (batch,), "int32", elem_offset=slots_offset)
        steps = T.match_buffer(var_steps, (batch,), "int32", elem_offset=steps_offset)
        out = T.match_buffer(var_out, (batch, d0, d1, d2), dtype)
        for b, i, j, k in T.grid(batch, d0, d1, d2):
            with T.sblock("copy_out"):
                vb, vi, vj, vk = T.axis.remap("SSSS", [b, i, j, k])
                T.reads(slots[vb], steps[vb], storage[slots[vb], steps[vb], vi, vj, vk])
                T.writes(out[vb, vi, vj, vk])
                out[vb, vi, vj, vk] = storage[slots[vb], steps[vb], vi, vj, vk]

    return rnn_state_get


def _setter(dims, dtype):
    d0, d1, d2 = dims

    @T.prim_func(s_tir=True)
    def rnn_state_set(var_storage: T.handle, var_slots: T.handle, var_steps: T.handle,
                      var_data: T.handle):
        T.func_attr({"tirx.noalias": True})
        batch = T.int64()
        capacity = T.int64()
        history = T.int64()
        slots_offset = T.int64()
        steps_offset = T.int64()
        storage = T.match_buffer(var_storage, (capacity, history, d0, d1, d2), dtype)
        slots = T.match_buffer(var_slots, (batch,), "int32", elem_offset=slots_offset)
        steps = T.match_buffer(var_steps, (batch,), "int32", elem_offset=steps_offset)
        data = T.match_buffer(var_data, (batch, d0, d1, d2), dtype)
        for b, i, j, k in T.grid(batch, d0, d1, d2):
            with T.sblock("copy_in"):
                vb, vi, vj, vk = T.axis.remap("SSSS", [b, i, j, k])
                T.reads(slots[vb], steps[vb], data[vb, vi, vj, vk])
                T.writes(storage[slots[vb], (steps[vb] + 1) % T.Cast("int32", history),
                                 vi, vj, vk])
                storage[slots[vb], (steps[vb] + 1) % T.Cast("int32", history),
                        vi, vj, vk] = data[vb, vi, vj, vk]

    return rnn_state_set


def create(layers, max_batch_size, max_history, states) -> RNNState:
    """`states` lists (three dimensions, dtype) of each state of a layer; all begin as zeros."""
    builder = relax.BlockBuilder.current()

    def add(make, name):
        return [builder.add_func(make(*state).with_attr("global_symbol", f"{name}_{i}"),
                                 f"{name}_{i}") for i, state in enumerate(states)]

    getters, setters = add(_getter, "rnn_state_get"), add(_setter, "rnn_state_set")
    zeros = [relax.const(np.zeros(dims, dtype)) for dims, dtype in states]
    call = compat.call_pure_packed(
        "vm.builtin.rnn_state_create", compat.prim_value(layers),
        compat.prim_value(max_batch_size), compat.prim_value(max_history),
        relax.Tuple(getters), relax.Tuple(setters), relax.Tuple(zeros),
        out=compat.object_type())
    return RNNState(_expr=builder.emit(call), _name="rnn_state")
