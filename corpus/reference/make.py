#!/usr/bin/env python3
"""Writes the expected values of the corpus models: `expected/<model>.json`.

    PYTHON corpus/reference/make.py [--check] [MODEL...]

Needs NumPy alone (the `tools` environment of tools/parts.toml has it), never TVM.
`--check` computes everything again and fails if a committed file differs by more
than float32 noise.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import common  # noqa: E402
import dense  # noqa: E402
import embedding  # noqa: E402
import hybrid  # noqa: E402

STEPS = 64
BEGIN = 256
TEXTS = {
    "short": "corpus",
    "greeting": "Hello there, how are you today?",
    "long": "The library loads, the virtual machine begins, and the first token appears; "
            "whether it is the right one is what this file is for.",
}
MODELS = {"dense": dense, "hybrid": hybrid, "recurrent": hybrid, "embedding": embedding,
          "encoder": embedding}

# Libraries that compute in float16, and what their weights are stored as: all
# arithmetic here stays float32, and rows follow these tokens.
HALF = {"dense-f16": ("dense", "float16"), "dense-q4": ("dense", "q4f16_1"),
        "hybrid-q4": ("hybrid", "q4f16_1"), "embedding-q4": ("embedding", "q4f16_1")}

# For rows that need every token identical: weights and a text with which 32 steps
# have no near tie, and several tokens. The hybrid model's recurrent state carries
# errors on: with its seed TVM's own float16 build for the CPU agrees as well.
# Model, weights, seed, text.
DECIDED = {"dense-f16-decided": ("dense", "float16", 200, "short"),
           "dense-q4-decided": ("dense", "q4f16_1", 22, "short"),
           "hybrid-f16-decided": ("hybrid", "float16", 1121, "short"),
           "hybrid-q4-decided": ("hybrid", "q4f16_1", 89, "greeting"),
           "embedding-f16": ("embedding", "float16", 7, "greeting")}
DECIDED_STEPS = 32


def rounded(values, digits):
    return [round(float(v), digits) for v in values]


def decoder_case(model, config, w, prompt, follow, steps=STEPS):
    """Greedy tokens; every step computes the whole sequence anew."""
    tokens, margins = list(prompt), []
    first = None
    for _ in range(steps):
        logits = model.logits(config, w, tokens)[-1]
        first = logits if first is None else first
        best, second = np.sort(logits)[::-1][:2]
        margins.append(round(float(best - second), 5))
        tokens.append(int(np.argmax(logits)))
    case = {"prompt": list(prompt), "tokens": tokens[len(prompt):],
            "first_logits": rounded(first, 5), "last_logits": rounded(logits, 5)}
    return case | ({"margins": margins} if follow else {"least_margin": min(margins)})


def cases(arch, config, w, follow, texts=tuple(TEXTS), steps=STEPS):
    model = MODELS[arch]
    made = {}
    for name in texts:
        prompt = [BEGIN, *TEXTS[name].encode()]
        if MODELS[arch] is embedding:
            # Token 1 pads: printable bytes never collide with it.
            prompt = prompt[:120]
            vector = model.embed(config, w, prompt)
            made[name] = {"prompt": prompt, "embedding": rounded(vector, 7)}
        else:
            made[name] = decoder_case(model, config, w, prompt, follow, steps)
    return made


def documents(chosen):
    for name in chosen or [*MODELS, *HALF, *DECIDED]:
        if name in DECIDED:
            arch, dtype, seed, text = DECIDED[name]
            config = common.load(arch)
            w = common.parameters(MODELS[arch].names(config), seed, dtype)
            yield name, f"random:{seed}", cases(arch, config, w, False, [text], DECIDED_STEPS)
            continue
        arch, dtype = HALF.get(name, (name, "float32"))
        config = common.load(arch)
        w = common.parameters(MODELS[arch].names(config), config["seed"], dtype)
        yield name, f"random:{config['seed']}", cases(arch, config, w, name in HALF)


def differs(a, b):
    """True if two documents differ by more than noise."""
    if isinstance(a, dict):
        return not isinstance(b, dict) or a.keys() != b.keys() or any(
            differs(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return not isinstance(b, list) or len(a) != len(b) or any(map(differs, a, b))
    if isinstance(a, float):
        return not isinstance(b, float) or abs(a - b) > 1e-4
    return a != b


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("model", nargs="*")
    args = parser.parse_args()
    bad = 0
    for name, source, made in documents(args.model):
        document = {"model": name, "weights": source, "made_by": "corpus/reference/make.py",
                    "cases": made}
        path = HERE / "expected" / f"{name}.json"
        margins = [c["least_margin"] for c in made.values() if "least_margin" in c]
        if args.check:
            wrong = differs(document, json.loads(path.read_text()))
            bad += wrong
            print(f"{name}: {'differs' if wrong else 'same'}")
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document) + "\n")
        print(f"{name}: {len(made)} cases, least margin {min(margins, default=None)}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
