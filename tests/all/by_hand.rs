//! The commands of the explain pages, "How to see it by hand", run on real
//! files: each line, and something of what it prints.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::make::{corpus, folder, library, model_with_weights, put};
use crate::support::{unpacked, venv};
use artcheck_inspect::Rule;
use artcheck_inspect::rules;

/// Beginning of a line, and what its output holds; empty where a healthy file
/// gives no output.
const PRINTS: &[(&str, &str)] = &[
    ("file model.so", "ELF 64-bit"),
    ("head -c 64 model.so", "7f45 4c46"),
    ("readelf -hlS model.so", "LOAD"),
    ("readelf -drV model.so", "JUMP_SLO"),
    ("tar tf model.tar", "lib0.o"),
    ("llvm-readelf -lW model.so", "LOAD"),
    ("readelf -h model.so", "X86-64"),
    (
        "llvm-objdump --macho --private-headers model.dylib | grep -A4 LC_BUILD_VERSION",
        "platform macos",
    ),
    ("readelf -V model.so", "GLIBC_2."),
    (
        "llvm-objdump --macho --private-headers model.dylib | grep minos",
        "minos",
    ),
    ("ldd --version", "GLIBC"),
    (
        "llvm-objdump --macho --private-headers model.dylib | grep -A3 LC_CODE_SIGNATURE",
        "datasize",
    ),
    ("strings -n 3 model.so", "tirx"),
    ("strings -n 3 libtvm_runtime.so", "flashinfer"),
    (
        "artcheck dump --asm model.so      # make_tuple",
        "vm.builtin.make_tuple",
    ),
    (
        "llvm-nm -D model.so | grep -E 'mblob|library_bin'",
        "__tvm_ffi__library_bin",
    ),
    ("xxd -p model.so", "1e1514422fde25d2"),
    ("artcheck dump model.so", "relax.VMExecutable"),
    ("artcheck dump --stats model.so", "Constant pool"),
    (
        "artcheck dump --asm model.so | grep packed_func",
        "vm.builtin.alloc_shape_heap",
    ),
    ("artcheck runtime PATH", "TVM 0.27"),
    (
        "python -c \"import tvm; print(tvm.get_global_func('vm.builtin.check_string_info'",
        "ffi.Function",
    ),
    (
        "artcheck dump --asm model.so | grep kv_cache_create",
        "vm.builtin.paged_attention_kv_cache_create in:",
    ),
    (
        "strings libtvm_runtime.so | grep 'args.size() == 28'",
        "args.size() == 29",
    ),
    (
        "python -c \"import tvm; tvm.get_global_func('vm.builtin.kv_state_popn')()\"",
        "0: relax.vm.KVState, 1: int, 2: int",
    ),
    (
        "artcheck dump --asm model.so | grep -E 'make_shape",
        "make_shape in:",
    ),
    (
        "strings libtvm_runtime.so | grep cache_config.size",
        "cache_config.size() == 6",
    ),
    (
        "strings libtvm_runtime_cuda.so",
        "ffi.Module.load_from_bytes.cuda",
    ),
    (
        "python -c \"import tvm, tvm_ffi;",
        "ffi.Module.load_from_bytes.relax.VMExecutable",
    ),
    ("strings -a -n 5 model.dylib | grep '^0", ""),
    ("artcheck dump model.dylib", "metal"),
    (
        "llvm-nm -D -u client | grep TVMDeviceAPI",
        "TVMDeviceAPIGet",
    ),
    (
        "llvm-nm -D --defined-only libtvm_runtime.so | grep TVMDeviceAPI",
        "",
    ),
    (
        "strings libtvm_runtime.so | grep -E '^__TVM' | sort > filled",
        "",
    ),
    // Filled by libtvm_ffi: the page's first command says what libtvm_runtime fills.
    ("llvm-nm -D model.so | grep -oE '__TVM.*'", ""),
    ("llvm-nm -u lib0.o", "TVMFFIFunctionCall"),
    ("llvm-nm -D -u model.so | grep TVM", ""),
    (
        "llvm-nm -D --defined-only libtvm_ffi.so libtvm_runtime.so",
        "TVMFFIFunctionCall",
    ),
    (
        "llvm-nm -D -u libtvm_runtime.so | grep _ZN3tvm",
        "tvm::ffi::json::Stringify",
    ),
    (
        "llvm-nm -D --defined-only libtvm_ffi.so | grep Stringify",
        "ERKNS0_8OptionalIivEE",
    ),
    ("pip list | grep tvm", "apache-tvm-ffi"),
    ("readelf -d FILE", "libtvm_ffi.so"),
    ("readelf -d model.so | grep NEEDED", "libc.so.6"),
    ("readelf -V FILE", "GLIBC_2."),
    ("ldd FILE | grep 'not found'", ""),
    ("llvm-objdump --macho --dylibs-used FILE", ""),
    ("llvm-readobj --coff-imports FILE.dll", "tvm_ffi.dll"),
    ("for f in *.so; do llvm-nm", "libtvm_ffi.so"),
    (
        "python -c \"import tvm_ffi; print(tvm_ffi.__version__",
        "0.1.15.post2",
    ),
    (
        "python -c \"import importlib.metadata as m; [print",
        "tvm_ffi/lib/libtvm_ffi.so",
    ),
    (
        "python -c \"import importlib.metadata as m; print",
        "Tag: cp311-cp311",
    ),
    (
        "llvm-nm libmodel_iphone.a",
        "artcheck_extcall___tvm_ffi__library_bin",
    ),
    (
        "tar xf model.tar && llvm-nm",
        "artcheck_extcall___tvm_ffi__library_bin",
    ),
    ("llvm-objdump -h lib0.o", "__mod_init_func"),
    ("grep model_lib mlc-app-config.json", "model_lib"),
    (
        "strings -n 20 model.so | grep -m1 '\"model_type\"' | grep",
        "\"max_batch_size\": 4",
    ),
    ("strings -n 20 model.so", "\"model_type\": \"qwen3\""),
    ("grep -E 'context_window_size", "prefill_chunk_size"),
    (
        "python -c \"import sys, tvm; from tvm import relax;",
        "\"model_type\": \"qwen3\"",
    ),
    ("python3 -c \"import json;", "model.embed_tokens.weight"),
    ("md5sum params_shard_", "params_shard_0.bin"),
    ("artcheck dump FILE", "sm_90"),
    (
        "artcheck dump --asm FILE | grep kv_cache_create",
        "i32, i32",
    ),
    (
        "strings -a FILE | grep -A40 'void tir_attention_merge_state'",
        "S_other_ptr",
    ),
    ("strings -a FILE", ""),
    ("node -e", "env TVMFFIFunctionCall"),
    ("grep -n -A5 'ignore' artcheck.toml", "reason"),
    ("artcheck scan dist --no-config", "AC101"),
    ("sha256sum dist/old.so", "dist/old.so"),
];

/// Needs a machine of its own.
const ELSEWHERE: [&str; 1] = ["nvidia-smi"];

fn lines(rule: &Rule) -> Vec<&'static str> {
    let (_, section) = rule
        .explain
        .split_once("## How to see it by hand")
        .expect("the section");
    let section = section.split("\n## ").next().expect("text");
    let mut inside = false;
    section
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            inside && !fence && !line.trim().is_empty()
        })
        .collect()
}

/// Every file that a page names, all of them real or made of real ones.
fn lay_out(at: &Path) {
    let copy = |from: &Path, to: &str| {
        fs::create_dir_all(at.join(to).parent().expect("a folder")).expect("made");
        fs::copy(from, at.join(to)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    let tvm = unpacked("tvm-0.27-linux-x86_64").join("tvm/lib");
    copy(&tvm.join("libtvm_runtime.so"), "libtvm_runtime.so");
    copy(&tvm.join("libtvm_runtime.so"), "PATH");
    copy(
        &tvm.join("libtvm_runtime_cuda.so"),
        "libtvm_runtime_cuda.so",
    );
    let ffi = unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join("tvm_ffi/lib/libtvm_ffi.so");
    copy(&ffi, "libtvm_ffi.so");
    for (from, to) in [
        ("tvm-0.26/dense-ext-cpu-x86_64.so", "model.so"),
        ("tvm-0.27/embedding-metal-macos-arm64.dylib", "model.dylib"),
        ("tvm-0.27/extcall-cpu-ios.tar", "model.tar"),
        ("tvm-0.27/embedding-webgpu.wasm", "model.wasm"),
        ("synthetic/extcall-0.25-ios.a", "libmodel_iphone.a"),
        ("tvm-0.27/extcall-cpu-windows-x64.dll", "FILE.dll"),
        (
            "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so",
            "dist/old.so",
        ),
    ] {
        copy(&corpus(from), to);
    }
    let (weights, index) = model_with_weights();
    copy(
        &weights.path().join("params_shard_0.bin"),
        "params_shard_0.bin",
    );
    put(at, "tensor-cache.json", index.to_string());
    put(
        at,
        "mlc-app-config.json",
        "{\"model_list\": [{\"model_lib\": \"x\"}]}",
    );
    put(at, "mlc-chat-config.json", "{\"prefill_chunk_size\": 128}");
    put(
        at,
        "artcheck.toml",
        "[[ignore]]\nrule = 'AC101'\npath = 'dist/*.so'\nreason = 'old'\n",
    );
    let source = "extern int TVMDeviceAPIGet();\nint f(void) { return TVMDeviceAPIGet(); }\n";
    library(at, "client", source, &[]);
    let unpack = Command::new("tar")
        .arg("xf")
        .arg("model.tar")
        .current_dir(at)
        .status();
    assert!(unpack.expect("tar starts").success());
}

/// What the pages of one rule mean by FILE.
fn file_of(rule: &Rule) -> std::path::PathBuf {
    match rule.code {
        "AC401" => corpus("tvm-0.27/embedding-cuda-x86_64.so"),
        "AC403" => corpus("tvm-0.26/hybrid-metal-linux-x86_64.so"),
        _ => unpacked("tvm-0.27-linux-x86_64").join("tvm/lib/libtvm_runtime.so"),
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_command_of_every_page_works() {
    let folder = folder();
    lay_out(folder.path());
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_artcheck"),
        folder.path().join("artcheck"),
    )
    .expect("linked");
    let path = format!(
        "{}:{}:{}",
        folder.path().display(),
        venv("tvm-0.27").join("bin").display(),
        std::env::var("PATH").expect("PATH")
    );
    let mut wrong = Vec::new();
    for rule in rules::ALL {
        let commands = lines(rule);
        assert!(!commands.is_empty(), "{}: no commands", rule.code);
        fs::copy(file_of(rule), folder.path().join("FILE")).expect("copied");
        for line in commands {
            if ELSEWHERE.iter().any(|tool| line.starts_with(tool)) {
                continue;
            }
            let Some((_, wanted)) = PRINTS.iter().find(|(begin, _)| line.starts_with(begin)) else {
                wrong.push(format!("{}: nothing is known of `{line}`", rule.code));
                continue;
            };
            let output = Command::new("bash")
                .args(["-c", line])
                .current_dir(folder.path())
                .env("PATH", &path)
                .stdin(Stdio::null())
                .output()
                .expect("bash starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            let failed = [
                "command not found",
                "syntax error",
                "No such file",
                "usage:",
                "Usage:",
            ];
            if !text.contains(wanted) || failed.iter().any(|words| text.contains(words)) {
                let shown: String = text.chars().take(300).collect();
                wrong.push(format!(
                    "{}: `{line}` gives {shown:?}, not {wanted:?}",
                    rule.code
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
