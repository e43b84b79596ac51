//! Libraries around a blob that is written here: device modules, and static
//! models.

use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::vm::Magic;

use super::Scan;
use super::makers::with;
use crate::support::make::{library, put};
use crate::support::{root, venv};
use crate::writer::{self, Bytes};

/// A shared library of today's layout around a blob; nothing but the blob.
pub fn blob_library(folder: &Path, symbol: &str, blob: &[u8], rest: &str) -> PathBuf {
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
pub fn blob_dylib(folder: &Path, blob: &[u8]) -> PathBuf {
    let bytes: Vec<String> = blob.iter().map(ToString::to_string).collect();
    let source = format!(
        "const unsigned char __tvm_ffi__library_bin[] = {{{}}};",
        bytes.join(",")
    );
    let input = put(folder, "model.c", source);
    let out = folder.join("model.dylib");
    let made = std::process::Command::new(venv("tools").join("bin/python"))
        .args([
            "-m",
            "ziglang",
            "cc",
            "-target",
            "x86_64-macos.13.0",
            "-shared",
            "-install_name",
            "model.dylib",
            "-o",
        ])
        .args([&out, &input])
        .status();
    assert!(made.expect("zig starts").success());
    fs::remove_file(input).expect("removed");
    out
}

pub fn program() -> (&'static str, Option<Vec<u8>>) {
    ("relax.VMExecutable", Some(writer::executable(Magic::V2)))
}

pub fn static_model(folder: &Path, constructor: &str) -> Scan {
    let blob = writer::tree_first(&[&[1], &[]], &[program(), ("_lib", None)]);
    let symbol = "demo___tvm_ffi__library_bin";
    with(blob_library(folder, symbol, &blob, constructor), &[])
}

/// A library with one device module.
pub fn device(folder: &Path, kind: &str, format: &str, code: Vec<u8>, target: &str) -> Scan {
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

pub fn fatbin() -> Vec<u8> {
    fs::read(root().join("crates/inspect/tests/device_code/packed.fatbin")).expect("the fatbin")
}

/// The header of an AMD code object; `device_needs` reads whole ones.
pub fn hsaco(processor: u8) -> Vec<u8> {
    let mut code = vec![0; 64];
    code[..6].copy_from_slice(b"\x7fELF\x02\x01");
    code[18] = 224;
    code[48] = processor;
    code
}

pub fn spirv(capability: u32) -> Vec<u8> {
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

pub fn metallib() -> Vec<u8> {
    let mut code = b"MTLB".to_vec();
    code.extend([0x01, 0x80, 2, 0, 7, 0, 0, 0x81, 14, 0, 0, 0]);
    code.extend([0; 72]);
    code
}
