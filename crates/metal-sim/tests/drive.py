"""Runs one Metal library on the simulated device, through TVM's own Python VM.

    PYTHON drive.py CORPUS PLUGIN LIBRARY MODEL DTYPE [--steps N] [--chunk N] [--models FILE]

CORPUS is the corpus folder of the repository, MODEL and DTYPE name the reference
(corpus/reference, plain NumPy); FILE has MODEL's configuration when models.toml does not. Prints one JSON object: tokens and largest
difference (or least cosine) against the reference, and the device's report; or
`error` with what the runtime said. PYTHON is the virtual environment of the
runtime to use.
"""

import argparse
import ctypes
import json
import sys
from pathlib import Path

import numpy as np


def session(args):
    """The corpus runner's session, on the simulated device."""
    import tvm
    from tvm import relax

    import run_pair

    made = run_pair.Session.__new__(run_pair.Session)
    made.tvm, made.device, made.builtin = tvm, tvm.metal(), tvm.get_global_func
    library = tvm.runtime.load_module(str(args.library))
    # Fresh memory for every tensor: what a kernel leaves unwritten then shows.
    made.vm = relax.VirtualMachine(library, made.device, memory_cfg="naive")
    return made


def decoder(args, run, reference, config, weights, metadata, params):
    states = run.states(metadata)
    prompt = list(b"corpus")
    # A second chunk attends to the cache and merges.
    read = [run.forward("batch_prefill", states, params, prompt[at:at + args.chunk])
            for at in range(0, len(prompt), args.chunk)]
    rows = read[-1:]
    tokens, want_tokens, worst = [], [], 0.0
    want = list(prompt)
    for step in range(args.steps):
        expected = reference.logits(config, weights, want)[-1]
        tokens.append(int(np.argmax(rows[-1])))
        want_tokens.append(int(np.argmax(expected)))
        worst = max(worst, float(np.abs(rows[-1] - expected).max()))
        want.append(want_tokens[-1])
        if step + 1 < args.steps:
            rows.append(run.forward("batch_decode", states, params, want_tokens[-1:]))
    return {"tokens": tokens, "reference_tokens": want_tokens, "worst": worst}


def encoder(run, reference, config, weights, params):
    prompt = list(b"corpus")
    padded, mask = prompt[:3] + [1] * 3, [1] * 3 + [0] * 3
    ids = np.array([prompt, padded], "int32")
    masks = np.array([[1] * 6, mask], "int32")
    out = run.vm["prefill"](run.tensor(ids), run.tensor(masks), params).numpy()
    want = [reference.encode(config, weights, prompt),
            reference.encode(config, weights, padded, mask)]

    def cosine(a, b):
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    return {"cosine": min(cosine(out[i, 0], want[i][0]) for i in range(2)),
            "worst": float(max(np.abs(out[0] - want[0]).max(),
                               np.abs(out[1, :3] - want[1][:3]).max()))}


SEED = 7
BLOCK = 1 << 22


def parameter(seed, index, entry):
    """A parameter of `random:SEED`, large ones block by block to save memory."""
    import weights

    shape, name = entry["shape"], entry["name"]
    if int(np.prod(shape)) <= BLOCK:
        return weights.random_parameter(seed, index, name, shape, entry["dtype"])
    # An element depends on its number alone, so a block is a smaller parameter
    # whose stream begins further on.
    made = np.empty(int(np.prod(shape)), entry["dtype"])
    real, scale = weights.mix, np.sqrt(np.float32(3) / np.float32(shape[-1]))
    stream = real(np.array([seed], np.uint64) ^ real(np.array([index], np.uint64)))
    assert not name.endswith(("q_scale", "q_weight")) and len(shape) == 2
    for start in range(0, made.size, BLOCK):
        numbers = np.arange(start, min(start + BLOCK, made.size), dtype=np.uint64)
        with np.errstate(over="ignore"):
            bits = real(stream + numbers)
        t = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
        made[start:start + len(numbers)] = t * scale
    return made.reshape(shape)


def as_reference(named):
    """The same numbers as the reference wants them: float32, 4-bit weights unpacked."""
    out = {}
    for name, array in named.items():
        if name.endswith("q_weight"):
            scale = named[name.removesuffix("q_weight") + "q_scale"].astype(np.float32)
            values = array[:, :, None] >> (np.arange(8, dtype=np.uint32) * 4) & 15
            values = values.reshape(len(array), -1).astype(np.float32) - 7
            out[name.removesuffix("q_weight") + "weight"] = values * np.repeat(scale, 32, axis=1)
        elif not name.endswith("q_scale"):
            out[name] = array.astype(np.float32)
    return out


def answer(args):
    import common

    if args.models:
        common.MODELS = args.models
    run = session(args)
    config = common.load(args.model)
    reference = __import__(config["arch"])
    metadata = json.loads(run.vm["_metadata"]())
    arrays = {p["name"]: parameter(SEED, i, p) for i, p in enumerate(metadata["params"])}
    params = [run.tensor(a) for a in arrays.values()]
    if args.models:
        weights = as_reference(arrays)
    else:
        weights = common.parameters(reference.names(config), SEED, args.dtype)
    if metadata.get("model_task") == "embedding":
        return encoder(run, reference, config, weights, params)
    return decoder(args, run, reference, config, weights, metadata, params)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("plugin")
    parser.add_argument("library", type=Path)
    parser.add_argument("model")
    parser.add_argument("dtype")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--chunk", type=int, default=4, help="most tokens of one prefill")
    parser.add_argument("--models", type=Path)
    args = parser.parse_args()
    sys.path[:0] = [str(args.corpus / "reference"), str(args.corpus / "build")]
    import tvm

    ctypes.CDLL(args.plugin, ctypes.RTLD_GLOBAL)
    try:
        out = answer(args)
    except Exception as error:  # noqa: BLE001 - whatever the runtime throws is the result
        out = {"error": str(error)}
    out["report"] = json.loads(str(tvm.get_global_func("artcheck.metal_sim.report")()))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
