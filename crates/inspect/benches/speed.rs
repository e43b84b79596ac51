//! Time of one scan over the corpus, of one scan of every library alone in
//! memory, and of the listing of the largest executable.
//!
//! `cargo bench -p artcheck-inspect`. The comparison with other tools is
//! `benches/compare.sh` at the root.

use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::scan::{ScanOptions, artifacts_of, scan, scan_bytes};
use artcheck_inspect::vm::Executable;
use artcheck_inspect::vm::disassemble::disassemble;
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts")
}

/// Every artifact of the corpus, all rules, all releases.
#[divan::bench(args = [1, 2])]
fn scan_corpus(bencher: Bencher<'_, '_>, jobs: usize) {
    let options = ScanOptions {
        paths: vec![corpus()],
        jobs: Some(jobs),
        ..ScanOptions::default()
    };
    bencher.bench(|| scan(black_box(&options), &()).expect("threads start"));
}

const LIBRARIES: [&str; 4] = [
    "tvm-0.27/extcall-cpu-x86_64.so",
    "tvm-0.27/hybrid-cpu-x86_64.so",
    "tvm-0.26/hybrid-metal-macos-arm64.dylib",
    "tvm-0.27/embedding-webgpu.wasm",
];

/// One library, its bytes in memory.
#[divan::bench(args = LIBRARIES)]
fn scan_library(bencher: Bencher<'_, '_>, name: &str) {
    let bytes = fs::read(corpus().join(name)).expect("the corpus can be read");
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench(|| scan_bytes(name, black_box(&bytes), &ScanOptions::default()));
}

fn executable(name: &str) -> Executable {
    let artifact = artifacts_of(&corpus().join(name)).remove(0);
    let library = artifact.libraries.into_iter().next().expect("a library");
    let blob = library.blob.clone().expect("a blob that decodes");
    let (_, executable) = blob.executables().next().expect("an executable");
    executable.clone()
}

/// The listing of the corpus' largest executable, which TVM's `as_text()`
/// prints as well.
#[divan::bench]
fn list_largest(bencher: Bencher<'_, '_>) {
    let executable = executable("tvm-0.27/hybrid-cpu-x86_64.so");
    let size = disassemble(&executable).expect("a listing").len();
    bencher
        .counter(BytesCount::new(size))
        // The text is dropped each time, as Python drops TVM's.
        .bench(|| disassemble(black_box(&executable)).map(|text| black_box(text).len()));
}
