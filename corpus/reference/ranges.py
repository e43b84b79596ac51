#!/usr/bin/env python3
"""How large a model's numbers become with weights from a seed, in NumPy on the CPU.

    python ranges.py CONFIG [DTYPE] [--tokens N] [--layers N]

float16 ends at 65504: a model whose activations pass that answers NaN wherever they are
kept in 16 bits. Prints the largest magnitude that goes into or comes out of a linear
layer, and that of the residual stream after each layer, in float32. Weights are made
where they are used, so that every size fits into little memory. Exit status 1 if float16
would not hold.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import common  # noqa: E402
import dense  # noqa: E402
import hybrid  # noqa: E402
from mission import MODELS, prompt  # noqa: E402


class Weights:
    """A model's weights by name, each made when it is asked for."""

    def __init__(self, config, names, dtype):
        self.seed = config["seed"]
        self.stored = {name: (shape, pieces)
                       for name, shape, pieces in common.stored(config, names, dtype)}

    def __getitem__(self, name):
        shape, pieces = self.stored[name]
        return common.parameter(self.seed, shape, pieces)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("dtype", nargs="?", default="q4f16_1")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--layers", type=int, help="instead of as many as the model has")
    args = parser.parse_args()
    config = common.load(args.config)
    if args.layers:
        config["num_hidden_layers"] = args.layers
    model, largest, after = MODELS[config["arch"]], [0.0], []

    def linear(x, weight, bias=None):
        out = common.linear(x, weight, bias)
        largest[0] = max(largest[0], float(abs(x).max()), float(abs(out).max()))
        return out

    def rms_norm(x, weight, eps):
        if x.ndim == 2 and x.shape[-1] == config["hidden_size"]:
            after.append(float(abs(x).max()))
        return common.rms_norm(x, weight, eps)

    for module in (dense, hybrid):
        module.linear, module.rms_norm = linear, rms_norm
    tokens = prompt(0, args.tokens, config["vocab_size"])
    logits = model.logits(config, Weights(config, model.names(config), args.dtype), tokens, last=True)
    found = {"model": args.config, "dtype": args.dtype, "largest": largest[0],
             "residual": [round(v, 2) for v in after[2::2]],
             "logits": float(abs(logits).max()), "logits_spread": float(logits.std())}
    print(json.dumps(found), flush=True)
    sys.exit(0 if max(largest[0], *after) < 65504 else 1)


if __name__ == "__main__":
    main()
