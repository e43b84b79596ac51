"""A model folder as mlc-llm's tools write it, with weights from a seed.

    PYTHON tests/mission/folder.py ARTCHECK LIBRARY FOLDER TOKENIZER [--seed N] [--old]

PYTHON has tvm and NumPy (an environment of tools/parts.toml). FOLDER gets the library,
and `params` with what `mlc_llm convert_weight` and `mlc_llm gen_config` write:
shards of 32 MiB and their index by TVM's own writer, `mlc-chat-config.json`,
`tokenizer.json`. `--old` names the index as releases before 2025 did.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "corpus" / "reference"))

from weights import random_parameter  # noqa: E402

# The template `qwen3` of mlc-llm's registry, in its fields.
TEMPLATE = {
    "name": "qwen3",
    "system_template": "<|im_start|>system\n{system_message}<|im_end|>\n",
    "system_message": "You are a helpful assistant.",
    "add_role_after_system_message": True,
    "roles": {"user": "<|im_start|>user", "assistant": "<|im_start|>assistant"},
    "role_templates": {"user": "{user_message}", "assistant": "{assistant_message}",
                       "tool": "{tool_message}"},
    "messages": [],
    "seps": ["<|im_end|>\n"],
    "role_content_sep": "\n",
    "role_empty_sep": "\n",
    "stop_str": ["<|endoftext|>", "<|im_end|>"],
    "stop_token_ids": [151643, 151645],
    "function_string": "",
    "use_function_calling": False,
}
COPIED = ("context_window_size", "sliding_window_size", "prefill_chunk_size",
          "attention_sink_size", "tensor_parallel_shards", "pipeline_parallel_stages",
          "disaggregation", "model_task", "embedding_metadata", "active_vocab_size")


def chat_config(metadata):
    """`mlc-chat-config.json`, with the fields that its readers ask for."""
    return {
        "version": "0.1.0",
        "model_type": metadata["model_type"],
        "quantization": metadata["quantization"],
        "vocab_size": metadata["active_vocab_size"],
        **{key: metadata[key] for key in COPIED if key in metadata},
        "temperature": 0.6, "presence_penalty": 0.0, "frequency_penalty": 0.0,
        "repetition_penalty": 1.0, "top_p": 0.95,
        "tokenizer_files": ["tokenizer.json"],
        "conv_template": TEMPLATE,
        "pad_token_id": 0, "bos_token_id": 151643, "eos_token_id": [151645, 151643],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artcheck")
    parser.add_argument("library", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--old", action="store_true")
    args = parser.parse_args()
    from tvm.contrib import tvmjs

    said = subprocess.run([args.artcheck, "dump", args.library, "--metadata"],
                          capture_output=True, text=True, check=True)
    metadata = json.loads(said.stdout)
    params = args.folder / "params"
    params.mkdir(parents=True, exist_ok=True)
    shutil.copy(args.library, args.folder / f"model{args.library.suffix}")
    made = {p["name"]: random_parameter(args.seed, i, p["name"], p["shape"], p["dtype"])
            for i, p in enumerate(metadata["params"])}
    size = float(sum(a.nbytes for a in made.values()))
    tvmjs.dump_tensor_cache(
        ((name, np.ascontiguousarray(array)) for name, array in made.items()), str(params),
        meta_data={"ParamSize": len(made), "ParamBytes": size,
                   "BitsPerParam": 8 * size / sum(a.size for a in made.values())},
        encode_format="f32-to-bf16", show_progress=False)
    if args.old:
        (params / "tensor-cache.json").rename(params / "ndarray-cache.json")
    (params / "mlc-chat-config.json").write_text(json.dumps(chat_config(metadata), indent=2))
    shutil.copy(args.tokenizer, params / "tokenizer.json")


if __name__ == "__main__":
    main()
