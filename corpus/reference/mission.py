#!/usr/bin/env python3
"""Reference values of a model in its real dimensions, in NumPy on the CPU.

    python mission.py CONFIG DTYPE OUTPUT.json [--prompt-tokens N] [--steps N] [--sequences N]
                      [--weights PARAMS]

CONFIG is a name of models.toml, DTYPE float32, float16 or q4f16_1; weights are
`random:SEED` with the configuration's seed, or those of a folder that `mlc_llm
convert_weight` wrote. Case `0` has the first prompt, `1` the second. full_size.py computes the same on a GPU, with PyTorch.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import common  # noqa: E402
import dense  # noqa: E402
import embedding  # noqa: E402
import hybrid  # noqa: E402
from converted import Folder  # noqa: E402
from weights import mix  # noqa: E402

MODELS = {"dense": dense, "hybrid": hybrid, "embedding": embedding}


def prompt(sequence, length, vocab):
    """Tokens without a meaning, the same for everyone."""
    spread = mix(np.arange(length, dtype=np.uint64) + np.uint64(1000 * sequence))
    return [int(t) for t in (spread >> np.uint64(40)) % np.uint64(vocab)]


def decoder_case(model, config, w, tokens, steps):
    made, margins, first = [], [], None
    for _ in range(steps):
        logits = model.logits(config, w, tokens + made, last=True)[-1]
        first = logits if first is None else first
        best, second = np.sort(logits)[::-1][:2]
        margins.append(round(float(best - second), 5))
        made.append(int(np.argmax(logits)))
    return {"prompt": tokens, "tokens": made, "margins": margins,
            "first_logits": [round(float(v), 4) for v in first],
            "last_logits": [round(float(v), 4) for v in logits]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("dtype")
    parser.add_argument("output", type=Path)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--sequences", type=int, default=2)
    parser.add_argument("--weights", help="a folder that `mlc_llm convert_weight` wrote")
    args = parser.parse_args()
    begin = time.perf_counter()
    config = common.load(args.config)
    model = MODELS[config["arch"]]
    w = (Folder(args.weights, config) if args.weights
         else common.parameters(model.names(config), config["seed"], args.dtype, config))
    cases = {}
    for sequence in range(args.sequences):
        tokens = prompt(sequence, args.prompt_tokens, config["vocab_size"])
        if model is embedding:
            vector = model.embed(config, w, tokens)
            cases[str(sequence)] = {"prompt": tokens, "embedding": [round(float(v), 7) for v in vector]}
        else:
            cases[str(sequence)] = decoder_case(model, config, w, tokens, args.steps)
    args.output.write_text(json.dumps({"model": args.config, "cases": cases}) + "\n")
    margins = [m for case in cases.values() for m in case.get("margins", [])]
    print(json.dumps({"seconds": round(time.perf_counter() - begin, 1),
                      "least_margin": min(margins, default=None)}))


if __name__ == "__main__":
    main()
