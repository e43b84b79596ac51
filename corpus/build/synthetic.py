"""What each synthetic artifact is, by name: the manifest's and the README's words."""

# (text in the name, what was changed); the first match describes the file.
CHANGES = (
    ("v1-magic", "magic V1, memory-scope section removed"),
    ("tir-tag", "attention tag `tirx` changed to `tir`"),
    ("flashinfer-tag", "attention tag `tirx` changed to `flashinfer`, tuples still of two"),
    ("config-6", "cache configuration lengthened to 6 elements"),
    ("config-5", "cache configuration shortened to 5 elements"),
    ("arguments-27", "cache constructor called with 27 arguments"),
    ("missing-function", "one builtin renamed to a name that no runtime has"),
    ("old-slot", "lookup slot renamed to `__TVMBackendGetFuncFromEnv`"),
    ("new-slot", "lookup slot renamed to `__TVMFFIEnvModLookupFromImports`"),
    ("2024-classic", "count-first blob, `relax.Executable`, V1, classic constant codes, "
                     "symbol `__tvm_dev_mblob`; no host code"),
    ("2025-03-classic-vmexecutable", "count-first blob, `relax.VMExecutable`, V1, classic "
                                     "codes, symbol `__tvm_dev_mblob`; no host code"),
    ("2025-05-codes-71", "count-first blob, V1, codes 71 and 72, symbol `__tvm_dev_mblob`; "
                         "no host code"),
    ("2025-08-tree-codes-71", "tree-first blob, V1, codes 71 and 72, symbol "
                              "`__tvm_ffi_library_bin`; no host code"),
    ("2025-09-single-underscore", "tree-first blob, V1, codes 69 and 70, symbol "
                                  "`__tvm_ffi_library_bin`; no host code"),
    ("extcall-0.21-v1.bin", "a bare executable, V1, codes 71 and 72"),
    ("extcall-0.21", "count-first blob, V1, codes 71 and 72, symbol `__tvm_ffi_library_bin`; "
                     "no host code"),
    ("extcall-0.22", "tree-first blob, V1, symbol `__tvm_ffi__library_bin`; no host code"),
    ("old-kind", "module kind `relax.Executable` in a current blob"),
    ("unknown-constant", "string constants under the unknown code 67"),
    ("unknown-module", "a third module of kind `hexagon` in the tree"),
    ("short-blob", "the blob cut in half; its length field still says the whole"),
    ("old-metal-order", "metal payload in the order before 0.24 (version, sources, functions, "
                        "format)"),
    ("classic-v1.bin", "a bare executable, V1, classic codes"),
    ("current-v1.bin", "a bare executable, V1, current codes"),
    ("current-v2.bin", "a bare executable as 0.27 wrote it"),
    ("dense-ext-0.26.bin", "a bare executable as 0.26 wrote it"),
    ("appledouble.tar", "the members of the iOS archive, not compressed, each with an "
                        "AppleDouble `._` member before it"),
    ("ios.a", "the members of the iOS archive in a System V `ar` archive"),
    ("devc.o", "the blob's object file as 0.27 wrote it, before linking"),
    ("universal.dylib", "a universal binary: arm64 as in tvm-0.27/, and x86-64"),
    ("webgpu-split.wasm", "data segments cut at runs of zero bytes"),
    ("truncated", "the first half of the file"),
    ("git-lfs-pointer", "a Git LFS pointer file"),
    ("error-page", "an HTML error page"),
    ("empty", "no bytes"),
    ("._appledouble", "a 163-byte AppleDouble header"),
)
VERSIONS = ("0.25", "0.26", "0.27")
MODELS = ("dense-ext", "extcall", "embedding")


def describe(name: str) -> dict:
    change = next(words for text, words in CHANGES if text in name)
    model = next((m for m in MODELS if name.startswith(m)), "")
    if not model:
        return {"tvm": "synthetic", "source": f"variants.py: {change}"}
    base = next((v for v in VERSIONS if f"{model}-{v}" in name), "0.27")
    return {"model": model, "tvm": f"synthetic from {base}", "source": f"variants.py: {change}"}
