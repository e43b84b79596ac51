"""The gated delta rule as one kernel: a scan over time, one thread per value column.

    S <- decay_t * S;  S <- S + k_t (beta_t * (v_t - k_t S));  o_t = scale * q_t S

Columns of S do not meet, so no thread waits for another.
"""

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.script import tirx as T


def _cpu(heads, keys, values, scale):
    @T.prim_func(s_tir=True)
    def delta_rule_scan(var_q: T.handle, var_k: T.handle, var_v: T.handle, var_decay: T.handle,
                        var_beta: T.handle, var_old: T.handle, var_out: T.handle,
                        var_new: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        batch = T.int64()
        length = T.int64()
        q = T.match_buffer(var_q, (batch, length, heads, keys), "float32")
        k = T.match_buffer(var_k, (batch, length, heads, keys), "float32")
        v = T.match_buffer(var_v, (batch, length, heads, values), "float32")
        decay = T.match_buffer(var_decay, (batch, length, heads), "float32")
        beta = T.match_buffer(var_beta, (batch, length, heads), "float32")
        old = T.match_buffer(var_old, (batch, heads, keys, values), "float32")
        out = T.match_buffer(var_out, (batch, length, heads, values), "float32")
        new = T.match_buffer(var_new, (batch, heads, keys, values), "float32")
        for b, h, c in T.grid(batch, heads, values):
            with T.sblock("column"):
                vb, vh, vc = T.axis.remap("SSS", [b, h, c])
                T.reads(q[vb, 0:length, vh, 0:keys], k[vb, 0:length, vh, 0:keys],
                        v[vb, 0:length, vh, vc], decay[vb, 0:length, vh],
                        beta[vb, 0:length, vh], old[vb, vh, 0:keys, vc])
                T.writes(out[vb, 0:length, vh, vc], new[vb, vh, 0:keys, vc])
                total = T.sblock_alloc_buffer((1,), "float32", scope="local")
                for i in range(keys):
                    new[vb, vh, i, vc] = old[vb, vh, i, vc]
                for t in range(length):
                    total[0] = T.float32(0)
                    for i in range(keys):
                        new[vb, vh, i, vc] = new[vb, vh, i, vc] * decay[vb, t, vh]
                        total[0] = total[0] + new[vb, vh, i, vc] * k[vb, t, vh, i]
                    total[0] = (v[vb, t, vh, vc] - total[0]) * beta[vb, t, vh]
                    for i in range(keys):
                        new[vb, vh, i, vc] = new[vb, vh, i, vc] + k[vb, t, vh, i] * total[0]
                    total[0] = T.float32(0)
                    for i in range(keys):
                        total[0] = total[0] + new[vb, vh, i, vc] * q[vb, t, vh, i]
                    out[vb, t, vh, vc] = total[0] * T.float32(scale)

    return delta_rule_scan


def _gpu(heads, keys, values, scale):
    @T.prim_func(s_tir=True)
    def delta_rule_scan(var_q: T.handle, var_k: T.handle, var_v: T.handle, var_decay: T.handle,
                        var_beta: T.handle, var_old: T.handle, var_out: T.handle,
                        var_new: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True})
        batch = T.int64()
        length = T.int64()
        q = T.match_buffer(var_q, (batch, length, heads, keys), "float32")
        k = T.match_buffer(var_k, (batch, length, heads, keys), "float32")
        v = T.match_buffer(var_v, (batch, length, heads, values), "float32")
        decay = T.match_buffer(var_decay, (batch, length, heads), "float32")
        beta = T.match_buffer(var_beta, (batch, length, heads), "float32")
        old = T.match_buffer(var_old, (batch, heads, keys, values), "float32")
        out = T.match_buffer(var_out, (batch, length, heads, values), "float32")
        new = T.match_buffer(var_new, (batch, heads, keys, values), "float32")
        for bh in T.thread_binding(batch * heads, thread="blockIdx.x"):
            for c in T.thread_binding(values, thread="threadIdx.x"):
                with T.sblock("column"):
                    vb = T.axis.spatial(batch, bh // heads)
                    vh = T.axis.spatial(heads, bh % heads)
                    vc = T.axis.spatial(values, c)
                    T.reads(q[vb, 0:length, vh, 0:keys], k[vb, 0:length, vh, 0:keys],
                            v[vb, 0:length, vh, vc], decay[vb, 0:length, vh],
                            beta[vb, 0:length, vh], old[vb, vh, 0:keys, vc])
                    T.writes(out[vb, 0:length, vh, vc], new[vb, vh, 0:keys, vc])
                    column = T.sblock_alloc_buffer((keys,), "float32", scope="local")
                    total = T.sblock_alloc_buffer((1,), "float32", scope="local")
                    for i in range(keys):
                        column[i] = old[vb, vh, i, vc]
                    for t in range(length):
                        total[0] = T.float32(0)
                        for i in range(keys):
                            column[i] = column[i] * decay[vb, t, vh]
                            total[0] = total[0] + column[i] * k[vb, t, vh, i]
                        total[0] = (v[vb, t, vh, vc] - total[0]) * beta[vb, t, vh]
                        for i in range(keys):
                            column[i] = column[i] + k[vb, t, vh, i] * total[0]
                        total[0] = T.float32(0)
                        for i in range(keys):
                            total[0] = total[0] + column[i] * q[vb, t, vh, i]
                        out[vb, t, vh, vc] = total[0] * T.float32(scale)
                    for i in range(keys):
                        new[vb, vh, i, vc] = column[i]

    return delta_rule_scan


def scan(q, k, v, decay, beta, old, scale, target):
    """(output [b, t, heads, values], new state), all float32."""
    heads, keys, values = q.shape[2], q.shape[3], v.shape[3]
    kernel = (_cpu if target.kind.name == "llvm" else _gpu)(heads, keys, values, scale)
    return op.tensor_ir_op(kernel, "delta_rule_scan", [q, k, v, decay, beta, old],
                           [nn.Tensor.placeholder(v.shape, "float32"),
                            nn.Tensor.placeholder(old.shape, "float32")])
