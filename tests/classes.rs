//! Every class of failure of `docs/coverage.md`: an artifact that breaks, with
//! exactly the codes it gets, and the nearest one that does not, with none.
//!
//! Files are the corpus's where it has them; the rest is made here or by
//! `support::make` and is synthetic. A class or a code of the table without a
//! case fails the last test.

mod support;
#[path = "../crates/inspect/tests/writer/mod.rs"]
mod writer;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::vm::Magic;
use serde_json::json;
use support::make::{
    DYLIB, MODEL, corpus, library, load_command, metadata, model_with_weights, put, renamed, wasm,
};
use support::{root, rules, scan, unpacked, venv};
use writer::Bytes;

/// What `scan` is called with.
type Scan = Vec<OsString>;

struct Case {
    /// Class, as the first cell of the table begins.
    class: &'static str,
    /// The one code that it gets.
    code: &'static str,
    /// What is wrong with one and not with the other.
    what: &'static str,
    breaks: fn(&Path) -> Scan,
    near: fn(&Path) -> Scan,
}

fn with(path: impl Into<PathBuf>, flags: &[&str]) -> Scan {
    let path: PathBuf = path.into();
    let flags = flags.iter().map(OsString::from);
    [path.into_os_string()].into_iter().chain(flags).collect()
}

fn on(file: &str, runtime: &str) -> Scan {
    with(corpus(file), &["--runtime", runtime])
}

/// A file beside a real, installed runtime.
fn in_venv(path: impl Into<PathBuf>, tvm: &str) -> Scan {
    with(path, &["--runtime", venv(tvm).to_str().expect("UTF-8")])
}

const CASES: &[Case] = &[
    Case {
        class: "A.",
        code: "AC104",
        what: "27 arguments for a builtin that takes 28 or 29",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-arguments-27-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "A.",
        code: "AC105",
        what: "six elements of cache configuration, before and after 0.27",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-config-6-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| {
            on(
                "synthetic/dense-ext-0.26-config-6-cpu-x86_64.so",
                "tvm-0.27",
            )
        },
    },
    Case {
        class: "A.",
        code: "AC101",
        what: "the FlashInfer tag over a tuple of two",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-flashinfer-tag-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "B.",
        code: "AC103",
        what: "a builtin that no release has",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "C.",
        code: "AC208",
        what: "`model_lib` with a dash where the prefix has an underscore",
        breaks: |folder| app(folder, "artcheck-extcall"),
        near: |folder| app(folder, "artcheck_extcall"),
    },
    Case {
        class: "C.",
        code: "AC208",
        what: "a static model whose constructor was dropped",
        breaks: |folder| static_model(folder, ""),
        near: |folder| {
            static_model(
                folder,
                "__attribute__((constructor)) static void f(void) {}",
            )
        },
    },
    Case {
        class: "D.",
        code: "AC106",
        what: "an executable under the kind of before 2025-03",
        breaks: |_| on("synthetic/extcall-old-kind-cpu-x86_64.so", "tvm-0.27"),
        near: |_| on("tvm-0.27/extcall-cpu-x86_64.so", "tvm-0.27"),
    },
    Case {
        class: "D.",
        code: "AC106",
        what: "a Metal module on the Linux wheel",
        breaks: |_| {
            in_venv(
                corpus("tvm-0.27/embedding-metal-linux-x86_64.so"),
                "tvm-0.27",
            )
        },
        near: |_| in_venv(corpus("tvm-0.27/embedding-cpu-x86_64.so"), "tvm-0.27"),
    },
    Case {
        class: "E.",
        code: "AC202",
        what: "a slot of 0.26, on the runtime before it and on its own",
        breaks: |_| on("synthetic/extcall-0.25-new-slot-cpu-x86_64.so", "tvm-0.25"),
        near: |_| on("synthetic/extcall-0.25-new-slot-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "E.",
        code: "AC203",
        what: "a C function that 0.26 dropped",
        breaks: |folder| client(folder, "TVMBackendGetFuncFromEnv", "tvm-0.26"),
        near: |folder| client(folder, "TVMBackendGetFuncFromEnv", "tvm-0.25"),
    },
    Case {
        class: "E.",
        code: "AC201",
        what: "a function of the flat device interface",
        breaks: |folder| client(folder, "TVMDeviceAPIGet", "tvm-0.27"),
        near: |folder| client(folder, "TVMFFIFunctionCall", "tvm-0.27"),
    },
    Case {
        class: "F.",
        code: "AC204",
        what: "the runtime's own function over the other std::string",
        breaks: |folder| string_client(folder, "-D_GLIBCXX_USE_CXX11_ABI=0"),
        near: |folder| string_client(folder, "-D_GLIBCXX_USE_CXX11_ABI=1"),
    },
    Case {
        class: "G.",
        code: "AC205",
        what: "a SONAME of the build machine",
        breaks: |folder| named_client(folder, "/srv/build/target/libclient.so"),
        near: |folder| named_client(folder, "libclient.so"),
    },
    Case {
        class: "H.",
        code: "AC206",
        what: "two copies of libtvm_ffi in one folder",
        breaks: |folder| ffi_folder(folder, &["libtvm_ffi.so", "libtvm_ffi_bundled.so"]),
        near: |folder| ffi_folder(folder, &["libtvm_ffi.so"]),
    },
    Case {
        class: "H.",
        code: "AC206",
        what: "two libraries with an LLVM that all can see",
        breaks: |folder| llvm_twice(folder, "default"),
        near: |folder| llvm_twice(folder, "hidden"),
    },
    Case {
        class: "I.",
        code: "AC207",
        what: "tvm-ffi 0.1.13.post0, which nothing but itself fits; its metadata around 0.1.13.post2's library",
        breaks: |folder| site(folder, "0.26", "0.1.13.post2", "0.1.13.post0"),
        near: |folder| site(folder, "0.26", "0.1.13.post2", "0.1.13.post2"),
    },
    Case {
        class: "J.",
        code: "AC207",
        what: "a tvm-ffi below what the package asks for, though every symbol is there",
        breaks: |folder| site(folder, "0.27", "0.1.13.post2", "0.1.13.post2"),
        near: |folder| site(folder, "0.27", "0.1.15.post2", "0.1.15.post2"),
    },
    Case {
        class: "K.",
        code: "AC301",
        what: "metadata without `max_batch_size`",
        breaks: |folder| model(folder, b"\"max_batch_size\"", b"\"MAX_batch_size\""),
        near: |folder| model(folder, b"\"max_batch_size\"", b"\"max_batch_size\""),
    },
    Case {
        class: "K.",
        code: "AC301",
        what: "an engine's library without `batch_decode`",
        breaks: |folder| {
            model(
                folder,
                b"\x0c\0\0\0\0\0\0\0batch_decode",
                b"\x0c\0\0\0\0\0\0\0batch_DECODE",
            )
        },
        near: |folder| {
            model(
                folder,
                b"\x0c\0\0\0\0\0\0\0batch_verify",
                b"\x0c\0\0\0\0\0\0\0batch_VERIFY",
            )
        },
    },
    Case {
        class: "L.",
        code: "AC302",
        what: "one more row in one parameter",
        breaks: |folder| weights(folder, 1, "tensor-cache.json"),
        near: |folder| weights(folder, 0, "tensor-cache.json"),
    },
    Case {
        class: "M.",
        code: "AC302",
        what: "the index under the name of before 0.22",
        breaks: |folder| weights(folder, 0, "ndarray-cache.json"),
        near: |folder| weights(folder, 0, "tensor-cache.json"),
    },
    Case {
        class: "N.",
        code: "AC402",
        what: "a C++ function left to JavaScript",
        breaks: |folder| page(folder, "_ZN3tvm7runtime15NVTXScopedRangeD1Ev"),
        near: |folder| page(folder, "_ZN3tvm7runtime9threading10NumThreadsEv"),
    },
    Case {
        class: "O.",
        code: "AC001",
        what: "a Git LFS pointer",
        breaks: |_| with(corpus("synthetic/git-lfs-pointer.so"), &[]),
        near: |_| with(corpus("tvm-0.27/extcall-cpu-x86_64.so"), &[]),
    },
    Case {
        class: "O.",
        code: "AC001",
        what: "an AppleDouble member in the archive",
        breaks: |_| with(corpus("synthetic/extcall-0.25-ios-appledouble.tar"), &[]),
        near: |_| with(corpus("tvm-0.25/extcall-cpu-ios.tar"), &[]),
    },
    Case {
        class: "O.",
        code: "AC002",
        what: "a library for macOS on iOS",
        breaks: |_| with(corpus(DYLIB), &["--target", "aarch64-ios"]),
        near: |_| with(corpus(DYLIB), &["--target", "aarch64-macos"]),
    },
        near: |_| {
            with(
                corpus("tvm-0.27/extcall-cpu-ios.tar"),
                &["--target", "aarch64-ios"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a cubin for sm_90 (NVRTC's)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-cuda-x86_64.so"),
                &["--target", "x86_64-linux+sm_80"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-cuda-x86_64.so"),
                &["--target", "x86_64-linux+sm_90"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "more storage buffers than the page's GPU has (TVM's WGSL)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+storage-buffers=1"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+storage-buffers=8"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "more threads per workgroup than the page's GPU has (TVM's WGSL)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+workgroup-threads=32"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+workgroup-threads=256"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a fatbin (NVIDIA's) without an image for the GPU",
        breaks: |folder| device(folder, "cuda", "fatbin", fatbin(), "x86_64-linux+sm_75"),
        near: |folder| device(folder, "cuda", "fatbin", fatbin(), "x86_64-linux+sm_86"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "an AMD code object for another processor",
        breaks: |folder| device(folder, "rocm", "hsaco", hsaco(0x41), "x86_64-linux+gfx1030"),
        near: |folder| device(folder, "rocm", "hsaco", hsaco(0x41), "x86_64-linux+gfx1100"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "SPIR-V with 64-bit integers",
        breaks: |folder| device(folder, "vulkan", "vulkan", spirv(11), "x86_64-linux+no-i64"),
        near: |folder| device(folder, "vulkan", "vulkan", spirv(11), "x86_64-linux+no-f16"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a metallib for macOS 14 where 13 is to be supported",
        breaks: |folder| device(folder, "metal", "metallib", metallib(), "x86_64-macos.13"),
        near: |folder| device(folder, "metal", "metallib", metallib(), "x86_64-macos.14"),
    },
    Case {
        class: "Q.",
        code: "AC003",
        what: "a library that asks for a newer glibc",
        breaks: |_| {
            with(
                unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI),
                &["--target", "x86_64-linux.2.12"],
            )
        },
        near: |_| {
            with(
                unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI),
                &["--target", "x86_64-linux.2.28"],
            )
        },
    },
    Case {
        class: "R.",
        code: "AC303",
        what: "a larger prefill chunk than planned",
        breaks: |folder| chat(folder, 1),
        near: |folder| chat(folder, 0),
    },
    Case {
        class: "S.",
        code: "AC202",
        what: "a library of 0.25's host code in the cache of 0.27",
        breaks: |folder| cached(folder, "synthetic/extcall-0.26-old-slot-cpu-x86_64.so"),
        near: |folder| cached(folder, "tvm-0.27/extcall-cpu-x86_64.so"),
    },
    Case {
        class: "T. attention tag",
        code: "AC101",
        what: "`tir` where the runtime reads `tirx`",
        breaks: |_| on("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so", "tvm-0.27"),
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "T. device API",
        code: "AC201",
        what: "another function of the flat device interface",
        breaks: |folder| client(folder, "TVMDeviceAPIAllocDataSpace", "tvm-0.26"),
        near: |folder| client(folder, "TVMFFIFunctionCall", "tvm-0.26"),
    },
    Case {
        class: "T. device payload order",
        code: "AC107",
        what: "Metal fields in the order of before 0.24",
        breaks: |_| {
            on(
                "synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/embedding-metal-linux-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "T. code signature",
        code: "AC004",
        what: "a dylib for arm64 without a signature",
        breaks: |folder| dylib(folder, 0x29),
        near: |folder| dylib(folder, 0x1d),
    },
    Case {
        class: "T. executable format",
        code: "AC102",
        what: "a constant of a code that the release does not know",
        breaks: |_| {
            on(
                "synthetic/extcall-unknown-constant-cpu-x86_64.so",
                "tvm-0.27",
            )
        },
        near: |_| on("tvm-0.27/extcall-cpu-x86_64.so", "tvm-0.27"),
    },
];

// ---- makers ------------------------------------------------------------------

const FFI: &str = "tvm_ffi/lib/libtvm_ffi.so";

fn app(folder: &Path, model_lib: &str) -> Scan {
    fs::copy(
        corpus("tvm-0.27/extcall-cpu-ios.tar"),
        folder.join("model.tar"),
    )
    .expect("copied");
    let config = json!({ "model_list": [{ "model_lib": model_lib }] });
    put(folder, "mlc-app-config.json", config.to_string());
    with(folder, &[])
}

fn client(folder: &Path, function: &str, tvm: &str) -> Scan {
    let source = format!("extern int {function}();\nint client(void) {{ return {function}(); }}\n");
    in_venv(library(folder, "libclient.so", &source, &[]), tvm)
}

fn named_client(folder: &Path, soname: &str) -> Scan {
    let source = "extern int TVMFFIFunctionCall();\nint f(void) { return TVMFFIFunctionCall(); }\n";
    let soname = format!("-Wl,-soname,{soname}");
    in_venv(
        library(folder, "libclient.so", source, &[&soname]),
        "tvm-0.27",
    )
}

/// Calls `tvm::runtime::GetFileFormat` of libtvm_runtime.
fn string_client(folder: &Path, flag: &str) -> Scan {
    let source = "#include <string>\n\
        namespace tvm { namespace runtime {\n\
        std::string GetFileFormat(const std::string&, const std::string&);\n} }\n\
        std::string f(const std::string& s) { return tvm::runtime::GetFileFormat(s, s); }\n";
    in_venv(library(folder, "libclient.so", source, &[flag]), "tvm-0.27")
}

fn ffi_folder(folder: &Path, names: &[&str]) -> Scan {
    let original = unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI);
    for name in names {
        fs::copy(&original, folder.join(name)).expect("copied");
    }
    with(folder, &[])
}

/// A client of TVM with an LLVM of its own, beside a library with another.
fn llvm_twice(folder: &Path, visibility: &str) -> Scan {
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
fn runtime_and_ffi(folder: &Path, tvm: &str, ffi: &str) -> (PathBuf, PathBuf) {
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
fn site(folder: &Path, tvm: &str, ffi: &str, claimed: &str) -> Scan {
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

fn model(folder: &Path, old: &[u8], new: &[u8]) -> Scan {
    let bytes = renamed(fs::read(corpus(MODEL)).expect("the corpus"), old, new);
    with(put(folder, "model.so", bytes), &[])
}

fn weights(folder: &Path, more_rows: i64, index_name: &str) -> Scan {
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

fn page(folder: &Path, import: &str) -> Scan {
    let imports = ["TVMFFIWasmSafeCall", "TVMFFIWasmFunctionDeleter", import];
    with(
        put(folder, "model.wasm", wasm(&imports, "TVMFFIFunctionCall")),
        &[],
    )
}

fn chat(folder: &Path, more: i64) -> Scan {
    fs::copy(corpus(MODEL), folder.join("model.so")).expect("copied");
    let chunk = metadata()["prefill_chunk_size"].as_i64().expect("a number");
    let config = json!({ "prefill_chunk_size": chunk + more });
    put(folder, "mlc-chat-config.json", config.to_string());
    with(folder, &[])
}

fn cached(folder: &Path, file: &str) -> Scan {
    fs::copy(corpus(file), folder.join("0123456789abcdef.so")).expect("copied");
    in_venv(folder, "tvm-0.27")
}

/// A signed dylib whose signature's load command gets this number.
fn dylib(folder: &Path, command: u8) -> Scan {
    let mut bytes = fs::read(corpus(DYLIB)).expect("the corpus");
    let at = load_command(&bytes, 0x1d);
    bytes[at] = command;
    with(put(folder, "model.dylib", bytes), &[])
}

/// A shared library of today's layout around a blob; nothing but the blob.
fn blob_library(folder: &Path, symbol: &str, blob: &[u8], rest: &str) -> PathBuf {
    let data = put(folder, "blob.bin", blob);
    let source = format!(
        "__asm__(\".section .rodata\\n.globl {symbol}\\n.type {symbol},@object\\n{symbol}:\\n\
         .incbin \\\"{}\\\"\\n.size {symbol}, .-{symbol}\\n.text\\n\");\n{rest}\n",
        data.display()
    );
    let made = library(folder, "model.so", &source, &["-nostartfiles"]);
    fs::remove_file(data).expect("removed");
    made
}

/// The same as a library for macOS on x86-64, which needs no signature.
fn blob_dylib(folder: &Path, blob: &[u8]) -> PathBuf {
    let bytes: Vec<String> = blob.iter().map(ToString::to_string).collect();
    let source = format!("const unsigned char __tvm_ffi__library_bin[] = {{{}}};", bytes.join(","));
    let input = put(folder, "model.c", source);
    let out = folder.join("model.dylib");
    let made = std::process::Command::new(venv("tools").join("bin/python"))
        .args(["-m", "ziglang", "cc", "-target", "x86_64-macos.13.0", "-shared", "-o"])
        .args([&out, &input])
        .status();
    assert!(made.expect("zig starts").success());
    fs::remove_file(input).expect("removed");
    out
}

fn program() -> (&'static str, Option<Vec<u8>>) {
    ("relax.VMExecutable", Some(writer::executable(Magic::V2)))
}

fn static_model(folder: &Path, constructor: &str) -> Scan {
    let blob = writer::tree_first(&[&[1], &[]], &[program(), ("_lib", None)]);
    let symbol = "demo___tvm_ffi__library_bin";
    with(blob_library(folder, symbol, &blob, constructor), &[])
}

/// A library with one device module.
fn device(folder: &Path, kind: &str, format: &str, code: Vec<u8>, target: &str) -> Scan {
    let mut payload = Bytes::default();
    payload.str(format).kernels(&[], true);
    match kind {
        "metal" => payload.texts(&[(String::from("kernel"), code)]),
        "vulkan" => {
            let mut shader = Bytes::default();
            shader.u32(0).u64(code.len() as u64 / 4).raw(&code);
            payload.u64(1).str("kernel").bytes(&shader.0)
        }
        _ => payload.bytes(&code),
    };
    let blob = writer::tree_first(
        &[&[1], &[2], &[]],
        &[program(), ("_lib", None), (kind, Some(payload.0))],
    );
    let file = match target.contains("macos") {
        true => blob_dylib(folder, &blob),
        false => blob_library(folder, "__tvm_ffi__library_bin", &blob, ""),
    };
    with(file, &["--target", target])
}

fn fatbin() -> Vec<u8> {
    fs::read(root().join("crates/inspect/tests/device_code/packed.fatbin")).expect("the fatbin")
}

/// The header of an AMD code object; `device_needs` reads whole ones.
fn hsaco(processor: u8) -> Vec<u8> {
    let mut code = vec![0; 64];
    code[..6].copy_from_slice(b"\x7fELF\x02\x01");
    code[18] = 224;
    code[48] = processor;
    code
}

fn spirv(capability: u32) -> Vec<u8> {
    let words = [
        0x0723_0203,
        0x1_0300,
        0,
        8,
        0,
        0x2_0011,
        1,
        0x2_0011,
        capability,
    ];
    words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect()
}

fn metallib() -> Vec<u8> {
    let mut code = b"MTLB".to_vec();
    code.extend([0x01, 0x80, 2, 0, 7, 0, 0, 0x81, 14, 0, 0, 0]);
    code.extend([0; 72]);
    code
}

// ---- tests -------------------------------------------------------------------

/// Codes of errors and warnings.
fn codes(make: fn(&Path) -> Scan) -> Vec<String> {
    let folder = support::make::folder();
    let (report, _) = scan(make(folder.path()));
    rules(&report, &["error", "warning"])
}

#[test]
fn each_breaking_artifact_gets_its_code_and_no_other() {
    let mut wrong = Vec::new();
    for case in CASES {
        let found = codes(case.breaks);
        if found != [case.code] {
            wrong.push(format!(
                "{} {}: {found:?}, not {}",
                case.class, case.what, case.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_near_miss_gets_none() {
    let mut wrong = Vec::new();
    for case in CASES {
        let found = codes(case.near);
        if !found.is_empty() {
            wrong.push(format!("{} {}: {found:?}", case.class, case.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_class_and_code_of_the_table_has_a_case() {
    let table = fs::read_to_string(root().join("docs/coverage.md")).expect("docs/coverage.md");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .skip_while(|cells: &Vec<&str>| cells[1] != "class of failure")
        .skip(1)
        .take_while(|cells| cells[1] != "check")
        .collect();
    let letters: BTreeSet<&str> = rows.iter().map(|cells| &cells[1][..2]).collect();
    let expected: BTreeSet<String> = ('A'..='T').map(|letter| format!("{letter}.")).collect();
    assert_eq!(letters, expected.iter().map(String::as_str).collect());
    let mut missing = Vec::new();
    for cells in &rows {
        let of_class: Vec<&Case> = CASES
            .iter()
            .filter(|case| cells[1].starts_with(case.class))
            .collect();
        if of_class.is_empty() {
            missing.push(format!("{}: no case", cells[1]));
        }
        for code in cells[2].split(|c: char| !c.is_ascii_alphanumeric()) {
            let is_code = code.len() == 5 && code.starts_with("AC");
            if is_code && !of_class.iter().any(|case| case.code == code) {
                missing.push(format!("{}: no case for {code}", cells[1]));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let unknown: Vec<&str> = CASES
        .iter()
        .filter(|case| !rows.iter().any(|cells| cells[1].starts_with(case.class)))
        .map(|case| case.what)
        .collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
}
