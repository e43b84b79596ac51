//! Files and folders of the cases, without device code.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Scan;
use crate::support::make::{
    DYLIB, MODEL, corpus, library, load_command, metadata, model_with_weights, put, renamed, wasm,
};
use crate::support::{unpacked, venv};

pub fn with(path: impl Into<PathBuf>, flags: &[&str]) -> Scan {
    let path: PathBuf = path.into();
    let flags = flags.iter().map(OsString::from);
    [path.into_os_string()].into_iter().chain(flags).collect()
}

pub fn on(file: &str, runtime: &str) -> Scan {
    with(corpus(file), &["--runtime", runtime])
}

/// The dense library of 0.26 whose first layer got a sliding window of its own: one number of
/// its attention kinds, a shape constant of two zeros, is 3.
pub fn sliding(folder: &Path, runtime: &str) -> Scan {
    slides(folder, [3, 0], runtime)
}

/// The same with these kinds for its two layers.
pub fn slides(folder: &Path, now: [i64; 2], runtime: &str) -> Scan {
    let kinds = |[first, second]: [i64; 2]| {
        let mut bytes = Vec::from(69_i32.to_le_bytes());
        for word in [2, first, second] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    };
    let bytes = fs::read(corpus("tvm-0.26/dense-cpu-x86_64.so")).expect("the library");
    let bytes = renamed(bytes, &kinds([0, 0]), &kinds(now));
    with(put(folder, "sliding.so", bytes), &["--runtime", runtime])
}

/// The external-call library of 0.25 with one argument of a call changed: words of the
/// code as they were, and as they are.
pub fn argument(folder: &Path, before: &[Word], after: &[Word]) -> Scan {
    let code = |words: &[Word]| -> Vec<u8> {
        let words = words.iter().map(|(kind, value)| (kind << 56) | value);
        words.flat_map(u64::to_le_bytes).collect()
    };
    let bytes = fs::read(corpus("tvm-0.25/extcall-cpu-x86_64.so")).expect("the library");
    let bytes = renamed(bytes, &code(before), &code(after));
    with(
        put(folder, "argument.so", bytes),
        &["--runtime", "tvm-0.25"],
    )
}

/// The external-call library of 0.25 whose float tensors are of another type: its code
/// and bits.
pub fn typed(folder: &Path, code: u8, bits: u8) -> Scan {
    let constant = |code, bits| [5, 0, 0, 0, code, bits, 1, 0];
    let bytes = fs::read(corpus("tvm-0.25/extcall-cpu-x86_64.so")).expect("the library");
    let bytes = renamed(bytes, &constant(2, 32), &constant(code, bits));
    with(put(folder, "typed.so", bytes), &["--runtime", "tvm-0.25"])
}

/// An argument in the code: its kind (register 0, immediate 1, constant 2) and value.
pub type Word = (u64, u64);

/// The register that holds nothing.
pub const NOTHING: Word = (0, 1 << 54);

/// A file beside a real, installed runtime.
pub fn in_venv(path: impl Into<PathBuf>, tvm: &str) -> Scan {
    with(path, &["--runtime", venv(tvm).to_str().expect("UTF-8")])
}

pub const FFI: &str = "tvm_ffi/lib/libtvm_ffi.so";

pub fn app(folder: &Path, model_lib: &str) -> Scan {
    fs::copy(
        corpus("tvm-0.27/extcall-cpu-ios.tar"),
        folder.join("model.tar"),
    )
    .expect("copied");
    let config = json!({ "model_list": [{ "model_lib": model_lib }] });
    put(folder, "mlc-app-config.json", config.to_string());
    with(folder, &[])
}

/// A library whose first tensor says that it is on this kind of device. For 2 TVM
/// 0.27 says `Invalid DLTensor device: can only save as CPU tensor`.
pub fn constant_on(folder: &Path, device: u8) -> Scan {
    let mut bytes = fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("the corpus");
    let magic = 0xdd5e_40f0_96b4_a13f_u64.to_le_bytes();
    let mut places = bytes.windows(8);
    let at = places.position(|window| window == magic).expect("a tensor");
    bytes[at + 16] = device;
    with(put(folder, "model.so", bytes), &["--runtime", "tvm-0.27"])
}

/// A library that asks for a function which libstdc++ has since GCC 12.
pub fn of_gcc_12(folder: &Path, target: &str) -> Scan {
    let source = "void fail(const char *, int, const char *, const char *) \
        __asm__(\"_ZSt21__glibcxx_assert_failPKciS0_S0_\");\n\
        int TVMArtcheckIt(void) { fail(0, 0, 0, 0); return 1; }\n";
    let library = library(folder, "libit.so", source, &["-lstdc++"]);
    with(library, &["--target", target])
}

/// A library with Android's note of API level 35.
pub fn android(folder: &Path, page: &str) -> Scan {
    let source = "__attribute__((section(\".note.android.ident\"), used, aligned(4))) static const \
        struct { int n, d, t; char name[8]; int level; } note = {8, 4, 1, \"Android\", 35};\n\
        int TVMArtcheckIt(void) { return 1; }\n";
    let flag = format!("-Wl,-z,max-page-size={page}");
    with(library(folder, "libit.so", source, &[&flag]), &[])
}

pub fn client(folder: &Path, function: &str, tvm: &str) -> Scan {
    let source = format!("extern int {function}();\nint client(void) {{ return {function}(); }}\n");
    in_venv(library(folder, "libclient.so", &source, &[]), tvm)
}

pub fn named_client(folder: &Path, soname: &str) -> Scan {
    let source = "extern int TVMFFIFunctionCall();\nint f(void) { return TVMFFIFunctionCall(); }\n";
    let soname = format!("-Wl,-soname,{soname}");
    in_venv(
        library(folder, "libclient.so", source, &[&soname]),
        "tvm-0.27",
    )
}

/// Calls `tvm::runtime::GetFileFormat` of libtvm_runtime.
pub fn string_client(folder: &Path, flag: &str) -> Scan {
    let source = "#include <string>\n\
        namespace tvm { namespace runtime {\n\
        std::string GetFileFormat(const std::string&, const std::string&);\n} }\n\
        std::string f(const std::string& s) { return tvm::runtime::GetFileFormat(s, s); }\n";
    in_venv(library(folder, "libclient.so", source, &[flag]), "tvm-0.27")
}

pub fn ffi_folder(folder: &Path, names: &[&str]) -> Scan {
    let original = unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI);
    for name in names {
        fs::copy(&original, folder.join(name)).expect("copied");
    }
    with(folder, &[])
}

/// As many bytes of a library of the corpus.
pub fn cut(folder: &Path, library: &str, length: u64) -> Scan {
    let library = corpus(library);
    let copy = folder.join(library.file_name().expect("a name"));
    fs::copy(&library, &copy).expect("copied");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&copy)
        .expect("the copy");
    let whole = file.metadata().expect("its size").len();
    file.set_len(length.min(whole)).expect("cut");
    with(copy, &[])
}

/// tvm-ffi, and the runtime under each of the names.
pub fn runtime_folder(folder: &Path, names: &[&str]) -> Scan {
    runtime_and_ffi(folder, "0.27", "0.1.15.post2");
    let lib = folder.join("tvm/lib");
    for name in names {
        fs::copy(
            unpacked("tvm-0.27-linux-x86_64").join("tvm/lib/libtvm_runtime.so"),
            lib.join(name),
        )
        .expect("copied");
    }
    with(folder, &[])
}

/// A client of TVM with an LLVM of its own, beside a library with another.
pub fn llvm_twice(folder: &Path, visibility: &str) -> Scan {
    let ours = "extern \"C\" int TVMFFIFunctionCall();\n\
        namespace llvm { int report() { return TVMFFIFunctionCall(); } }\n";
    let other = "namespace llvm { int report() { return 2; } }\n";
    library(folder, "libclient.so", ours, &[]);
    library(
        folder,
        "libother.so",
        other,
        &[&format!("-fvisibility={visibility}")],
    );
    in_venv(folder, "tvm-0.27")
}

/// The runtime of a wheel and tvm-ffi's library, in the folders of site-packages.
pub fn runtime_and_ffi(folder: &Path, tvm: &str, ffi: &str) -> (PathBuf, PathBuf) {
    let tvm = unpacked(&format!("tvm-{tvm}-linux-x86_64"));
    let ffi = unpacked(&format!("tvm-ffi-{ffi}-linux-x86_64"));
    for (from, name) in [
        (&tvm, "tvm/lib/libtvm_runtime.so"),
        (&tvm, "tvm/lib/libtvm_runtime_extra.so"),
        (&ffi, FFI),
    ] {
        let to = folder.join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::copy(from.join(name), to).expect("copied");
    }
    (tvm, ffi)
}

/// Both with their packages' metadata; tvm-ffi's says the version `claimed`.
pub fn site(folder: &Path, tvm: &str, ffi: &str, claimed: &str) -> Scan {
    let (tvm_package, ffi_package) = runtime_and_ffi(folder, tvm, ffi);
    for package in [tvm_package, ffi_package] {
        let info = fs::read_dir(&package)
            .expect("the wheel")
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.extension().is_some_and(|suffix| suffix == "dist-info"))
            .expect("the package's metadata");
        let name = info
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .replace(ffi, claimed);
        let text = fs::read_to_string(info.join("METADATA")).expect("metadata");
        let text = text.replacen(
            &format!("Version: {ffi}"),
            &format!("Version: {claimed}"),
            1,
        );
        put(folder, &format!("{name}/METADATA"), text);
    }
    with(folder, &[])
}

/// A package whose `RECORD` lists files, of which the first is there, beside a model.
pub fn installed(folder: &Path, files: &[&str]) -> Scan {
    let lines: Vec<String> = files
        .iter()
        .map(|file| format!("{file},sha256=x,0"))
        .collect();
    let info = "apache_tvm_ffi-0.1.15.post2.dist-info";
    let metadata = "Metadata-Version: 2.4\nName: apache-tvm-ffi\nVersion: 0.1.15.post2\n";
    put(folder, &format!("{info}/METADATA"), metadata);
    put(folder, &format!("{info}/RECORD"), lines.join("\n"));
    put(folder, files[0], "");
    let model = put(
        folder,
        "tvm_ffi/model.so",
        fs::read(corpus(MODEL)).expect("the corpus"),
    );
    with(model, &[])
}

pub fn model(folder: &Path, old: &[u8], new: &[u8]) -> Scan {
    let bytes = renamed(fs::read(corpus(MODEL)).expect("the corpus"), old, new);
    with(put(folder, "model.so", bytes), &[])
}

pub fn weights(folder: &Path, more_rows: i64, index_name: &str) -> Scan {
    let (made, mut index) = model_with_weights();
    for entry in fs::read_dir(&made).expect("the model's folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
    }
    let rows = &mut index["records"][0]["records"][0]["shape"][0];
    *rows = (rows.as_i64().expect("a number") + more_rows).into();
    put(folder, index_name, index.to_string());
    with(folder, &[])
}

pub fn page(folder: &Path, import: &str) -> Scan {
    let imports = ["TVMFFIWasmSafeCall", "TVMFFIWasmFunctionDeleter", import];
    with(
        put(folder, "model.wasm", wasm(&imports, "TVMFFIFunctionCall")),
        &[],
    )
}

/// The hybrid model for Metal, its heads this wide; with a barrier where the kernel that
/// merges attention states computes a place in vain.
pub fn merged(folder: &Path, width: i64, waits: bool) -> Scan {
    let file = corpus("tvm-0.26/hybrid-metal-linux-x86_64.so");
    let immediate = |number: i64| (1 << 56 | number).to_le_bytes();
    let heads = |width| [4, 2, width, width].map(immediate).concat();
    let bytes = fs::read(file).expect("the corpus");
    let mut bytes = renamed(bytes, &heads(32), &heads(width));
    if waits {
        let start = "  int cse_v3 = ((((int)blockIdx.x) * arg.H[0]) + ((int)threadIdx.y));";
        let barrier = "  threadgroup_barrier(mem_flags::mem_threadgroup);";
        let (old, new) = (
            format!("{start}\n  s_val"),
            format!("{barrier:<69}\n  s_val"),
        );
        bytes = renamed(bytes, old.as_bytes(), new.as_bytes());
    }
    with(put(folder, "model.so", bytes), &[])
}

pub fn chat(folder: &Path, more: i64) -> Scan {
    fs::copy(corpus(MODEL), folder.join("model.so")).expect("copied");
    let chunk = metadata()["prefill_chunk_size"].as_i64().expect("a number");
    let config = json!({ "prefill_chunk_size": chunk + more });
    put(folder, "mlc-chat-config.json", config.to_string());
    with(folder, &[])
}

pub fn cached(folder: &Path, file: &str) -> Scan {
    fs::copy(corpus(file), folder.join("0123456789abcdef.so")).expect("copied");
    in_venv(folder, "tvm-0.27")
}

/// A signed dylib whose signature's load command gets this number.
pub fn dylib(folder: &Path, command: u8) -> Scan {
    let mut bytes = fs::read(corpus(DYLIB)).expect("the corpus");
    let at = load_command(&bytes, 0x1d);
    bytes[at] = command;
    with(put(folder, "model.dylib", bytes), &[])
}
