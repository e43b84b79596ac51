"""Schedules that chance is not likely to make: each showed a difference once."""

PLAIN = {"flavour": "fixed", "kinds": [3, 0], "begin": 0, "seqs": 2, "capacity": 2600,
         "chunk": 1100, "page": 16, "sliding": 0, "window": None, "heads": 1, "kv_heads": 1,
         "qk": 4, "v": 4, "rope": 1, "scale": 1.0, "theta": 10000.0, "ext": False, "transfer": 0,
         "dtype": "float32", "tag": "tirx", "plan": "shape", "ragged": 2, "real": False,
         "merges": 2, "extra": 0}


def cache(ops, **config):
    return {"family": "paged_cache", "config": {**PLAIN, **config}, "ops": ops}


def forward(counts, sequences=(0,)):
    return [["begin", list(sequences), list(counts)], ["attend", 0, 1], ["attend", 1, 2], ["end"]]


def schedules():
    one, two = [["add", 0]], [["add", 0], ["add", 1]]
    # Window and pages: page sizes that divide 1024, and such as do not.
    for page in (16, 24, 48):
        for length in (1023, 1024, 1040, 1050):
            yield cache([*one, *forward([length]), *forward([1]), *forward([5])], page=page)
    # Several sequences, and a fork, where a layer slides.
    yield cache([*two, *forward([5, 6], (0, 1)), *forward([1, 1], (0, 1))])
    yield cache([*one, *forward([1050]), ["fork", 0, 1, -1], *forward([3], (1,))])
    # Pages that another process writes: one layer and two.
    for kinds in ([0], [0, 0]):
        yield cache([*one, ["begin", [0], [2]], ["attend", 0, 1]], kinds=kinds, transfer=1)
    # A tensor of unknown type, as compilers up to 0.25 and from 0.26 on say it.
    for unknown in ("void", None):
        yield {"family": "values", "config": {}, "ops": [
            ["vm.builtin.check_tensor_info",
             {"tensor": [2, 2], "dtype": "float32", "seed": 1, "as": "normal"}, 2, unknown, ""]]}
