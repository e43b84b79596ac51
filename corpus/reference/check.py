#!/usr/bin/env python3
"""Compares the CPU artifacts, run by real TVM, with the NumPy computations.

    python3 corpus/reference/check.py [--steps N]

For each model and TVM version: greedy tokens must be identical over the steps,
and logits (or the encoder's output) within TOLERANCE. Exit status 1 otherwise.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
sys.path.insert(0, str(BUILD))

TOLERANCE = 1e-4  # absolute, on logits of size about 3


def restarted_with_numpy() -> None:
    """The system Python need not have NumPy; the `tools` environment has it."""
    from build import interpreter

    try:
        import numpy  # noqa: F401
    except ImportError:
        os.execv(interpreter("tools"), [interpreter("tools"), *sys.argv])


def expected(model, steps):
    import numpy as np

    import common
    import dense
    import embedding
    import hybrid

    config = common.load(model)
    prompt = list(b"corpus")
    if model == "embedding":
        weights = common.parameters(embedding.names(config), 7)
        padded, mask = prompt[:3] + [1] * 3, [1] * 3 + [0] * 3
        return np.stack([np.stack([embedding.encode(config, weights, prompt),
                                   embedding.encode(config, weights, padded, mask)])])
    module = hybrid if config["arch"] == "hybrid" else dense
    weights = common.parameters(module.names(config), 7)
    tokens, rows = list(prompt), []
    for _ in range(steps):
        rows.append(module.logits(config, weights, tokens)[-1])
        tokens.append(int(np.argmax(rows[-1])))
    return np.stack(rows)


def main() -> None:
    restarted_with_numpy()
    import numpy as np
    from build import ARTIFACTS, VERSIONS, interpreter

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=64)
    args = parser.parse_args()
    bad = 0
    for model in ("dense", "dense-ext", "hybrid", "embedding"):
        want = expected(model, args.steps)
        for version in VERSIONS:
            artifact = ARTIFACTS / f"tvm-{version}" / f"{model}-cpu-x86_64.so"
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "logits.npy"
                subprocess.run([interpreter(f"tvm-{version}"), str(BUILD / "run_pair.py"),
                                str(artifact), "--steps", str(args.steps), "--logits", str(file)],
                               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                got = np.load(file)
            worst = float(np.abs(got - want).max())
            same = model == "embedding" or (got.argmax(-1) == want.argmax(-1)).all()
            verdict = "ok" if same and worst <= TOLERANCE else "DIFFERS"
            bad += verdict != "ok"
            print(f"{model} tvm-{version}: {verdict}, largest difference {worst:.2e}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
