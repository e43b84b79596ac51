//! Makers of small broken and whole things: what is not in the corpus and
//! quickly made from it. All of it is synthetic: a real file with one thing
//! changed, or a small library of the system's own compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use artcheck_inspect::container;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{artcheck, root};

/// A signed library for arm64.
pub const DYLIB: &str = "tvm-0.27/extcall-cpu-macos-arm64.dylib";

/// An mlc-llm-shaped library of the newest release.
pub const MODEL: &str = "tvm-0.27/dense-cpu-x86_64.so";

/// Its metadata.
pub fn metadata() -> Value {
    let output = artcheck()
        .args(["dump", "--metadata"])
        .arg(corpus(MODEL))
        .output()
        .expect("artcheck starts");
    serde_json::from_slice(&output.stdout).expect("the metadata")
}

/// A folder with the model and an index that fits it.
pub fn model_with_weights() -> (TempDir, Value) {
    let folder = folder();
    put(
        &folder,
        "model.so",
        std::fs::read(corpus(MODEL)).expect("the corpus"),
    );
    let shard = b"weights".as_slice();
    put(&folder, "params_shard_0.bin", shard);
    let metadata = metadata();
    let records: Vec<Value> = metadata["params"]
        .as_array()
        .expect("parameters")
        .iter()
        .map(|parameter| {
            let shape: Vec<i64> = parameter["shape"]
                .as_array()
                .expect("a shape")
                .iter()
                .map(|extent| extent.as_i64().expect("the corpus has fixed shapes"))
                .collect();
            json!({ "name": parameter["name"], "shape": shape, "dtype": parameter["dtype"] })
        })
        .collect();
    assert!(records.len() > 3);
    let index = json!({ "metadata": {}, "records": [{
        "dataPath": "params_shard_0.bin", "format": "raw-shard", "nbytes": shard.len(),
        // MD5 of the seven bytes above, by md5sum.
        "md5sum": "13fae2e1ca3f61b8fe1c1b82b9d53f7e", "records": records,
    }]});
    (folder, index)
}

/// A file of the corpus.
pub fn corpus(name: &str) -> PathBuf {
    root().join("corpus/artifacts").join(name)
}

/// A folder that goes when the test ends.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A file in a folder.
pub fn put(folder: impl AsRef<Path>, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.as_ref().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, bytes).expect("written");
    path
}

/// Where a load command of this number stands in a 64-bit Mach-O file.
pub fn load_command(dylib: &[u8], wanted: u32) -> usize {
    let word = |at: usize| u32::from_le_bytes(dylib[at..at + 4].try_into().expect("four"));
    let mut at = 32;
    for _ in 0..word(16) {
        if word(at) == wanted {
            return at;
        }
        at += word(at + 4) as usize;
    }
    panic!("no load command {wanted:#x}");
}

/// A wasm module that imports functions from `env` and exports one.
pub fn wasm(imports: &[&str], export: &str) -> Vec<u8> {
    let text = |name: &str| {
        let mut bytes = vec![u8::try_from(name.len()).expect("short")];
        bytes.extend(name.as_bytes());
        bytes
    };
    let mut section = vec![u8::try_from(imports.len()).expect("few")];
    for import in imports {
        section.extend(text("env"));
        section.extend(text(import));
        section.extend([0, 0]);
    }
    let mut exports = vec![1];
    exports.extend(text(export));
    exports.extend([0, 0]);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    module.extend([1, 4, 1, 0x60, 0, 0]);
    for (id, body) in [(2, section), (7, exports)] {
        let length = body.len();
        assert!(length < 1 << 14, "two bytes of LEB128");
        module.extend([id, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
        module.extend(body);
    }
    module
}

/// A shared library of the system's C or C++ compiler, by the source's suffix.
pub fn library(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let is_cxx = source.contains("namespace");
    let input = folder.join(format!("{name}.{}", if is_cxx { "cc" } else { "c" }));
    std::fs::write(&input, source).expect("written");
    let out = folder.join(name);
    let status = Command::new(if is_cxx { "c++" } else { "cc" })
        .args(["-shared", "-fPIC", "-o"])
        .args([&out, &input])
        .args(flags)
        .status()
        .expect("a compiler");
    assert!(status.success(), "{name}");
    std::fs::remove_file(input).expect("removed");
    out
}

/// A program of the system's C compiler.
pub fn program(folder: &Path, name: &str, source: &str) -> PathBuf {
    let input = put(folder, &format!("{name}.c"), source);
    let out = folder.join(name);
    let status = Command::new("cc").arg(input).arg("-o").arg(&out).status();
    assert!(status.expect("a C compiler").success(), "{name}");
    out
}

/// What the system's loader says of a library when functions are looked for at their first
/// call, as TVM opens model libraries; a process that ends without a word is told as that.
pub fn opened_lazily(path: &Path) -> Option<String> {
    let script = "import ctypes, sys\n\
        c = ctypes.CDLL(None); c.dlopen.restype = ctypes.c_void_p; c.dlerror.restype = ctypes.c_char_p\n\
        sys.exit(None if c.dlopen(sys.argv[1].encode(), 1) else c.dlerror().decode())";
    let run = Command::new("python3")
        .args(["-c", script])
        .arg(path)
        .output()
        .expect("Python");
    let said = String::from_utf8(run.stderr).expect("text");
    match run.status.code() {
        Some(0) => None,
        Some(_) => said.lines().last().map(str::to_owned),
        None => Some(String::from("the process ended")),
    }
}

/// A model library: the blob of one of the corpus, and more C.
pub fn model(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let file = corpus("tvm-0.27/dense-cpu-x86_64.so");
    let bytes = std::fs::read(&file).expect("read");
    let parsed = container::parse(&bytes).expect("a library").remove(0);
    let mut defined = parsed.binary.defined.iter();
    let blob = defined.find(|symbol| symbol.name == "__tvm_ffi__library_bin");
    let blob = blob.expect("a blob");
    let region = &parsed.regions[blob.region.expect("in a region")];
    let at = region.file_ranges[0].file_offset + blob.region_offset;
    let size = blob.size.expect("a size");
    let source = format!(
        "__asm__(\".section .rodata\\n.balign 64\\n.globl __tvm_ffi__library_bin\\n\
         .type __tvm_ffi__library_bin, @object\\n__tvm_ffi__library_bin:\\n\
         .incbin \\\"{}\\\", {at}, {size}\\n\
         .size __tvm_ffi__library_bin, {size}\\n.text\\n\");\n{source}",
        file.display()
    );
    library(folder, name, &source, flags)
}

/// What the system's loader says of a library when every symbol is looked for at once.
pub fn loader(path: &Path) -> Option<String> {
    let script = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], os.RTLD_NOW)";
    let run = Command::new("python3")
        .args(["-c", script])
        .arg(path)
        .output();
    let said = String::from_utf8(run.expect("Python").stderr).expect("text");
    said.lines().last().map(str::to_owned)
}

/// Bytes with one name replaced by another of the same length, once.
pub fn renamed(mut bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "nothing else may move");
    let at = bytes
        .windows(old.len())
        .position(|window| window == old)
        .expect("the name is there");
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}
