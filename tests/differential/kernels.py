"""Kernels in NumPy that write down how the runtime calls them.

A paged cache takes its kernels as arguments of its constructor. These record
every argument under its name, and then do the work: `real` ones compute
attention, `inert` ones answer zero, so that a difference in one call does not
reach the next. Outputs and page memory are recorded by their outline only.
"""

import math

import numpy as np
import tvm_ffi

from world import array, outline, show

LOG2E = math.log2(math.e)

# Arguments by name; a name that ends in * is memory whose contents are not recorded.
SIGNATURES = {
    "split_rotary": "qkv positions q* k* v* rope",
    "append": "pages* k v positions",
    "append_mla": "pages* kv positions",
    "ragged_prefill": "q qo_indptr k v kv_indptr q_positions k_positions out* lse* causal "
                      "rotary_mode rotary_scale rotary_theta sm_scale",
    "prefill": "q qo_indptr pages* page_indptr page_indices length_info k_positions q_positions "
               "out* lse* causal rotary_mode rotary_scale rotary_theta sm_scale",
    "decode": "q pages* page_indptr page_indices length_info k_positions q_positions out* lse* "
              "rotary_mode rotary_scale rotary_theta sm_scale",
    "tree_paged": "q qo_indptr pages* page_indptr page_indices length_info k_positions "
                  "q_positions out* lse* rotary_mode rotary_scale rotary_theta sm_scale "
                  "mn_indptr mask",
    "tree_ragged": "q qo_indptr k v kv_indptr q_positions mn_indptr mask out* lse* rotary_mode "
                   "rotary_scale rotary_theta sm_scale",
    "mla_prefill": "q qo_indptr pages* page_indptr page_indices length_info out* lse* causal "
                   "sm_scale",
    "merge": "a* a_lse* b* b_lse*",
    "copy_page": "pages* source target length",
    "debug_get_kv": "pages* positions k* v* layer",
    "debug_get_kv_mla": "pages* positions kv* layer",
    "compact": "pages* indptr positions batch",
}
# The names that share their arguments with another.
SAME = {"prefill_sliding": "prefill", "decode_sliding": "decode", "merge_apart": "merge"}


class Kernels:
    """The kernels of one cache; `calls` is what the runtime asked of them since it was cleared."""

    def __init__(self, calls, real):
        self.calls = calls
        self.real = real
        self.seen = set()  # addresses of page memory that was already cleared

    def kernel(self, name):
        """The recording kernel of that name, as a packed function."""
        names = SIGNATURES[SAME.get(name, name)].split()
        work = getattr(self, SAME.get(name, name), None)

        def run(*arguments):
            if name == "debug_get_kv" and len(arguments) == 4:
                return self.record_debug_mla(arguments)
            self.record(name, names, arguments)
            if work is not None:
                work(*self.opened(names, arguments))
            return None

        return tvm_ffi.convert(run)

    def foreign(self, name, answer=None):
        """A kernel whose arguments belong to another library: recorded by their outlines."""

        def run(*arguments):
            self.calls.append([name, {str(i): outline(a) for i, a in enumerate(arguments)}])
            return answer() if answer else None

        return tvm_ffi.convert(run)

    def opened(self, names, arguments):
        """The arguments with tensors as arrays. Page memory that is seen for the first time is
        cleared: the runtime does not, and what it held before would differ between two runs."""
        opened = [array(a) if isinstance(a, tvm_ffi.Tensor) else a for a in arguments]
        for label, value in zip(names, opened):
            if label == "pages*" and value.ctypes.data not in self.seen:
                self.seen.add(value.ctypes.data)
                value[...] = 0
        return opened

    def record(self, name, names, arguments):
        shown = {}
        for index, value in enumerate(arguments):
            label = names[index] if index < len(names) else f"extra{index}"
            shown[label.rstrip("*")] = outline(value) if label.endswith("*") else show(value)
        self.calls.append([name, shown])

    def record_debug_mla(self, arguments):
        names = SIGNATURES["debug_get_kv_mla"].split()
        self.record("debug_get_kv_mla", names, arguments)
        pages, positions, kv, layer = self.opened(names, arguments)
        size = pages.shape[1]
        for row, position in enumerate(positions):
            kv[layer, row] = pages[position // size, position % size]

    # What each kernel does.

    def split_rotary(self, qkv, positions, q, k, v, rope):
        heads, kv_heads = q.shape[1], k.shape[1]
        q[...] = qkv[:, :heads]
        k[...] = qkv[:, heads:heads + kv_heads]
        v[...] = qkv[:, heads + kv_heads:]
        if isinstance(rope, int) and rope == 1:
            turn = positions[: q.shape[0]].astype("float32")[:, None] * 0.1
            q[..., 0] += turn
            k[..., 0] += turn

    def append(self, pages, k, v, positions):
        size = pages.shape[3]
        for row, position in enumerate(positions[: k.shape[0]]):
            if position >= 0:
                pages[position // size, 0, :, position % size] = k[row]
                pages[position // size, 1, :, position % size] = v[row]

    def append_mla(self, pages, kv, positions):
        size = pages.shape[1]
        for row, position in enumerate(positions[: kv.shape[0]]):
            pages[position // size, position % size] = kv[row]

    def ragged_prefill(self, q, qo, k, v, kv, _qp, _kp, out, lse, causal, _m, _s, _t, scale):
        if not self.real or k.shape[2] != q.shape[2]:
            return blank(out, lse)
        for b in range(len(qo) - 1):
            keys, values = k[kv[b]:kv[b + 1]], v[kv[b]:kv[b + 1]]
            attend(q, qo[b], qo[b + 1], keys, values, out, lse, causal, scale)
        return None

    def prefill(self, q, qo, pages, indptr, indices, info, _kp, _qp, out, lse, causal, _m, _s,
                _t, scale):
        if not self.real:
            return blank(out, lse)
        for b in range(len(qo) - 1):
            keys, values = gather(pages, indices[indptr[b]:indptr[b + 1]], info, b)
            attend(q, qo[b], qo[b + 1], keys, values, out, lse, causal, scale)
        return None

    def decode(self, q, pages, indptr, indices, info, _kp, _qp, out, lse, _m, _s, _t, scale):
        if not self.real:
            return blank(out, lse)
        for b in range(len(indptr) - 1):
            keys, values = gather(pages, indices[indptr[b]:indptr[b + 1]], info, b)
            attend(q, b, b + 1, keys, values, out, lse, 0, scale)
        return None

    def tree_paged(self, *arguments):
        blank(arguments[8], arguments[9])

    def tree_ragged(self, *arguments):
        blank(arguments[8], arguments[9])

    def mla_prefill(self, *arguments):
        blank(arguments[6], arguments[7])

    def merge(self, a, a_lse, b, b_lse):
        if not self.real:
            return
        top = np.maximum(a_lse, b_lse)
        left, right = np.exp2(a_lse - top), np.exp2(b_lse - top)
        total = left + right
        a[...] = a * (left / total)[..., None] + b * (right / total)[..., None]
        a_lse[...] = top + np.log2(total)

    def copy_page(self, pages, source, target, length):
        if pages.ndim == 5:
            pages[target, :, :, :length] = pages[source, :, :, :length]
        else:
            pages[target, :length] = pages[source, :length]

    def debug_get_kv(self, pages, positions, k, v, layer):
        size = pages.shape[3]
        for row, position in enumerate(positions):
            k[layer, row] = pages[position // size, 0, :, position % size]
            v[layer, row] = pages[position // size, 1, :, position % size]

    def compact(self, pages, indptr, positions, batch):
        size = pages.shape[3]
        for b in range(batch):
            for i in range(indptr[b], indptr[b + 1]):
                source, target = int(positions[0, i]), int(positions[1, i])
                pages[target // size, :, :, target % size] = \
                    pages[source // size, :, :, source % size]


def blank(out, lse):
    out[...] = 0
    lse[...] = 0


def gather(pages, indices, info, b):
    """The keys and values of one sequence, in order; `info` has three rows where a window slides."""
    if len(indices) == 0:
        return pages[:0, 0, :, 0], pages[:0, 1, :, 0]
    size = pages.shape[3]
    last, offset, sink = (info[:, b] if info.ndim == 2 else (info[b], 0, 0))
    count = (len(indices) - 1) * size + int(last) - int(offset) + int(sink)
    rows = [r if r < sink else r - sink + offset for r in range(max(count, 0))]
    rows = [r for r in rows if r // size < len(indices)]
    where = [(indices[r // size], r % size) for r in rows]
    keys = np.array([pages[p, 0, :, s] for p, s in where]).reshape(-1, *pages.shape[2::2])
    values = np.array([pages[p, 1, :, s] for p, s in where]).reshape(-1, *pages.shape[2::2])
    return keys, values


def attend(q, start, stop, keys, values, out, lse, causal, scale):
    """Attention of rows start..stop; the logarithm of the sum has base 2, as TVM's kernels have it."""
    queries, group = q[start:stop].astype("float64"), q.shape[1] // max(keys.shape[1], 1)
    rows, columns = stop - start, len(keys)
    if rows == 0:
        return
    if columns == 0:
        out[start:stop] = 0
        lse[start:stop] = -5e4
        return
    keys = np.repeat(keys, group, axis=1).astype("float64")
    values = np.repeat(values, group, axis=1).astype("float64")
    scores = np.einsum("rhd,chd->rhc", queries, keys) * scale * LOG2E
    if causal:
        allowed = np.arange(columns)[None] <= columns - rows + np.arange(rows)[:, None]
        scores = np.where(allowed[:, None, :], scores, -5e4)
    top = scores.max(axis=-1, keepdims=True)
    weight = np.exp2(scores - top)
    total = weight.sum(axis=-1, keepdims=True)
    out[start:stop] = np.einsum("rhc,chd->rhd", weight / total, values)
    lse[start:stop] = (top + np.log2(total))[..., 0]
