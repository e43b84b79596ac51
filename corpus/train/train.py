#!/usr/bin/env python3
"""Trains the `dense` and `hybrid` corpus models on the text in text.py, on the CPU.

    PYTHON corpus/train/train.py [dense|hybrid] [--steps N]

Needs PyTorch and NumPy. Writes corpus/trained/<model>/: mlc weight shards of at
most 4 MiB. The text is learned by heart; the point is that a completion can be
read, not that the model is clever. Minutes on one core.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from models import Network  # noqa: E402  (puts the reference directory on the path)
from text import statements  # noqa: E402

import common  # noqa: E402
import shards  # noqa: E402

BEGIN, END, IGNORE = 256, 257, -100
BATCH = 48
STEPS = {"dense": 3000, "hybrid": 500}


def encoded():
    return [[BEGIN, *s.encode(), END] for s in statements()]


def batch(rows):
    """Inputs and targets, padded to the longest; padding is not learned."""
    longest = max(map(len, rows))
    tokens = torch.tensor([r + [END] * (longest - len(r)) for r in rows])
    targets = torch.tensor([r[1:] + [IGNORE] * (longest - len(r) + 1) for r in rows])
    return tokens, targets


def train(name, config, steps):
    torch.manual_seed(1)
    random.seed(1)
    network, rows = Network(config), encoded()
    matrices = [p for p in network.parameters() if p.dim() > 1]
    vectors = [p for p in network.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01},
                                   {"params": vectors, "weight_decay": 0.0}], lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    begin = time.monotonic()
    for step in range(steps):
        tokens, targets = batch(random.sample(rows, BATCH))
        loss = F.cross_entropy(network(tokens).flatten(0, 1), targets.flatten(),
                               ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            passed = time.monotonic() - begin
            print(f"{name} step {step} loss {loss.item():.4f} {passed:.0f} s", flush=True)
    return network


@torch.no_grad()
def complete(network, prompt, limit=40):
    tokens = [BEGIN, *prompt.encode()]
    for _ in range(limit):
        token = int(network(torch.tensor([tokens]))[0, -1].argmax())
        if token == END:
            break
        tokens.append(token)
    return bytes(t for t in tokens[1:] if t < 256).decode(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="*", choices=["dense", "hybrid"])
    parser.add_argument("--steps", type=int, help="default: 3000 for dense, 500 for hybrid")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.model or ["dense", "hybrid"]:
        network = train(name, common.load(name), args.steps or STEPS[name])
        for prompt in ("The capital of France is", "The opposite of hot is", "two plus three is",
                       "The day after Friday is", "A dog"):
            print(name, repr(complete(network, prompt)))
        shards.write(HERE.parent / "trained" / name, network.tensors())


if __name__ == "__main__":
    main()
