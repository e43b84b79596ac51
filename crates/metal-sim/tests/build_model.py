"""Compiles one model of the corpus, or of sizes.toml beside this file, for Metal
with an x86-64 Linux host.

    PYTHON build_model.py CORPUS MODEL DTYPE OUTPUT TOOLS_PYTHON

PYTHON is the virtual environment of the TVM to compile with.
"""

import sys
from pathlib import Path

corpus, model, dtype, output, tools = sys.argv[1:]
sys.path.insert(0, str(Path(corpus) / "build"))

import compile_one  # noqa: E402
import models  # noqa: E402

sizes = Path(__file__).parent / "sizes.toml"
if f"[{model}]" in sizes.read_text():
    models.MODELS = sizes
sys.argv = ["compile_one.py", model, dtype, "metal-linux-x86_64", "lean", output, tools]
compile_one.main()
