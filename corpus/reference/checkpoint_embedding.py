#!/usr/bin/env python3
"""Reference embeddings of a real encoder (bge-m3), from its checkpoint.

    python checkpoint_embedding.py CHECKPOINT MATRIX ROW OUTPUT.json

CHECKPOINT is a folder that `transformers` reads, the one that the weights were
converted from. For each prompt of ROW in MATRIX that names a reference, OUTPUT gets
the prompt's tokens and its embedding: the first token's last hidden state,
normalised, computed in PyTorch in float32. Needs PyTorch and transformers; TVM is
not used.
"""

import argparse
import json
import tomllib
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer


def texts(matrix, row):
    """The row's texts by the name of their reference case."""
    rows = {r["name"]: r for r in tomllib.loads(matrix.read_text())["row"]}
    named = {}
    for prompt in rows[row]["prompt"]:
        reference = prompt.get("expect", {}).get("reference")
        if reference:
            named[reference.rsplit("#", 1)[1]] = prompt["text"]
    return named


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("matrix", type=Path)
    parser.add_argument("row")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    model = AutoModel.from_pretrained(args.checkpoint, dtype=torch.float32).eval()
    cases = {}
    for name, text in texts(args.matrix, args.row).items():
        inputs = tokenizer(text, return_tensors="pt")
        hidden = model(input_ids=inputs["input_ids"],
                       attention_mask=inputs["attention_mask"]).last_hidden_state
        vector = torch.nn.functional.normalize(hidden[0, 0], dim=0)
        cases[name] = {"prompt": inputs["input_ids"][0].tolist(),
                       "embedding": [round(v, 7) for v in vector.tolist()]}
    document = {"model": args.row, "made_by": "corpus/reference/checkpoint_embedding.py",
                "cases": cases}
    args.output.write_text(json.dumps(document) + "\n")
    print(f"{args.output}: {len(cases)} cases of {len(vector)} numbers")


if __name__ == "__main__":
    main()
