"""Loads one artifact on the runtime of the running interpreter and goes as far as it can.

    python run_pair.py ARTIFACT [--seed N] [--steps N] [--logits FILE]

One JSON line per stage reached, flushed at once, so that a crash shows the last
stage: {"stage": ..., "ok": true} or {"stage": ..., "ok": false, "error": ...}.
Stages: load, init, metadata, params, cache, prefill, decode; a library without
`_metadata` has `load`, `init`, `call`. The last line of a run that gets through
carries the output: greedy tokens and some numbers.
"""

import argparse
import json
import sys
import tempfile
import shutil
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import weights  # noqa: E402

PROMPT = list(b"corpus")


class Failed(Exception):
    pass


def say(stage, **more):
    print(json.dumps({"stage": stage, "ok": True, **more}), flush=True)


def guarded(stage, action):
    """Runs one stage; the runtime's own last line is the error text."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - whatever the runtime throws is the result
        lines = [line for line in str(error).splitlines() if line.strip()]
        text = lines[-1].strip() if lines else repr(error)
        print(json.dumps({"stage": stage, "ok": False, "error": f"{type(error).__name__}: {text}"}),
              flush=True)
        raise Failed from error


class Session:
    """A loaded library with its virtual machine on the CPU, driven as an engine does."""

    def __init__(self, path):
        import tvm
        from tvm import relax

        self.tvm = tvm
        self.device = tvm.cpu()
        library = guarded("load", lambda: self.load(path))
        say("load", kind=library.kind)
        self.vm = guarded("init", lambda: relax.VirtualMachine(library, self.device))
        say("init")
        self.builtin = tvm.get_global_func

    def load(self, path):
        library = self.tvm.runtime.load_module(str(path))
        library["vm_load_executable"]  # a library without an executable fails here, not at init
        return library

    def tensor(self, array):
        make = getattr(self.tvm.runtime, "tensor", None) or self.tvm.nd.array
        return make(np.ascontiguousarray(array), self.device)

    def shape(self, *values):
        make = getattr(self.tvm.runtime, "ShapeTuple", None)
        return make(list(values))

    def states(self, metadata):
        sizes = (metadata["max_batch_size"], metadata["context_window_size"],
                 metadata["prefill_chunk_size"], 16, 0)
        made = []
        if metadata["kv_state_kind"] != "rnn_state":
            made.append(self.vm["create_tir_paged_kv_cache"](*(self.shape(s) for s in sizes)))
        if metadata["kv_state_kind"] != "kv_cache":
            made.append(self.vm["create_rnn_state"](self.shape(metadata["max_batch_size"]),
                                                    self.shape(1)))
        for state in made:
            self.builtin("vm.builtin.kv_state_clear")(state)
            self.builtin("vm.builtin.kv_state_add_sequence")(state, 0)
        return made

    def forward(self, function, states, params, tokens):
        """Logits of the last position after running `tokens` of sequence 0."""
        count = len(tokens)
        embedded = self.vm["embed"](self.tensor(np.array(tokens, "int32")), params)
        embedded = self.builtin("vm.builtin.reshape")(embedded,
                                                      self.shape(1, count, embedded.shape[1]))
        for state in states:
            self.builtin("vm.builtin.kv_state_begin_forward")(state, self.shape(0),
                                                              self.shape(count))
        arguments = [embedded]
        if function == "batch_prefill":
            arguments.append(self.tensor(np.array([count - 1], "int32")))
        result = self.vm[function](*arguments, *states, params)
        for state in states:
            self.builtin("vm.builtin.kv_state_end_forward")(state)
        return result[0].numpy().reshape(-1)


def summary(values):
    return [round(float(v), 6) for v in values[:4]]


def run_decoder(session, metadata, params, steps, keep):
    states = guarded("cache", lambda: session.states(metadata))
    say("cache")
    logits = guarded("prefill",
                     lambda: session.forward("batch_prefill", states, params, PROMPT))
    say("prefill", logits=summary(logits))
    tokens = [int(np.argmax(logits))]
    keep.append(logits)

    def decode():
        for _ in range(steps - 1):
            keep.append(session.forward("batch_decode", states, params, tokens[-1:]))
            tokens.append(int(np.argmax(keep[-1])))

    guarded("decode", decode)
    say("decode", tokens=tokens, logits=summary(keep[-1]))


def run_encoder(session, metadata, params, keep):
    ids = np.array([PROMPT, PROMPT[:3] + [metadata_pad(metadata)] * (len(PROMPT) - 3)], "int32")
    mask = np.array([[1] * len(PROMPT), [1] * 3 + [0] * (len(PROMPT) - 3)], "int32")
    out = guarded("prefill", lambda: session.vm["prefill"](
        session.tensor(ids), session.tensor(mask), params).numpy())
    keep.append(out)
    say("prefill", cls=summary(out[0, 0]), cls_padded=summary(out[1, 0]))


def metadata_pad(_metadata):
    return 1


def run_plain(session):
    """The `extcall` library: a pure host function first, then the external call."""
    four = session.tensor(np.arange(4, dtype="float32"))
    pure = guarded("call", lambda: session.vm["add_one"](four).numpy())
    say("call", function="add_one", result=pure.tolist())
    outer = guarded("call", lambda: session.vm["add_external"](four).numpy())
    say("call", function="add_external", result=outer.tolist())


def run(path, seed, steps, logits_file):
    session = Session(path)
    metadata = guarded("metadata", lambda: json.loads(session.vm["_metadata"]()))
    say("metadata", model_type=metadata.get("model_type"))
    if "params" not in metadata:
        run_plain(session)
        return
    arrays = weights.random_parameters(seed, metadata["params"])
    params = guarded("params", lambda: [session.tensor(a) for a in arrays])
    say("params", count=len(params))
    keep = []
    if metadata.get("model_task") == "embedding":
        run_encoder(session, metadata, params, keep)
    else:
        run_decoder(session, metadata, params, steps, keep)
    if logits_file:
        np.save(logits_file, np.stack(keep))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--logits")
    args = parser.parse_args()
    # The loader decides by the suffix and wants one it knows.
    with tempfile.TemporaryDirectory() as folder:
        path = args.artifact
        if path.suffix != ".so":
            path = Path(shutil.copy(path, Path(folder) / f"{path.name}.so"))
        try:
            run(path, args.seed, args.steps, args.logits)
        except Failed:
            sys.exit(1)


if __name__ == "__main__":
    main()
