//! Truncated and damaged real files: an error or a reading, never a panic, and
//! never a hang.

use crate::parts;
use std::time::{Duration, Instant};

use artcheck_inspect::{container, source};

const FILES: [&str; 6] = [
    "tvm-ffi-0.1.15.post2-linux-x86_64/tvm_ffi/core.cpython-311-x86_64-linux-gnu.so",
    "tvm-0.27-linux-aarch64/tvm/lib/libtvm_runtime_cuda.so",
    "tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib",
    "tvm-0.27-windows-x64/tvm/lib/tvm_runtime_cuda.dll",
    "tvm-0.27-windows-x64/tvm/lib/tvm_runtime_extra.lib",
    "tvm-ffi-0.1.15.post2-windows-x64/tvm_ffi/lib/tvm_ffi.lib",
];

/// Everything that reads bytes.
fn read_all(bytes: &[u8]) -> bool {
    let parsed = container::parse(bytes);
    for name in parsed.iter().flatten().flat_map(|p| &p.binary.undefined) {
        assert!(name.name.len() <= bytes.len() * 4);
    }
    // Only that these end matters here; their answers are tested elsewhere.
    drop(container::defines(bytes, &["TVMFFIFunctionCall", "x"]));
    drop(container::each_export(bytes, &mut |_| true));
    source::visit_bytes(&source::Place::file("damaged"), bytes, &mut |_| {});
    // What is cut behind all that is loaded is read, and said to be cut.
    parsed.is_ok_and(|parsed| parsed.iter().all(|one| one.binary.damage.is_empty()))
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("small")
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn truncated_files_are_errors() {
    let start = Instant::now();
    for file in FILES {
        let bytes = std::fs::read(parts::unpacked(file)).expect("readable");
        for step in 0..64 {
            let cut = bytes.len() * step / 64;
            let read = read_all(&bytes[..cut]);
            assert!(
                !read,
                "{file} cut at {cut} of {} reads as whole",
                bytes.len()
            );
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn damaged_files_neither_panic_nor_hang() {
    for file in FILES {
        let bytes = std::fs::read(parts::unpacked(file)).expect("readable");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut damaged = bytes.clone();
        let start = Instant::now();
        for round in 0..400 {
            // Headers and tables are at the front; most changes go there.
            let reach = if round % 4 == 0 { bytes.len() } else { 8192 };
            let mut places = Vec::new();
            for _ in 0..=random.next(6) {
                let at = random.next(reach.min(bytes.len()));
                damaged[at] = [0, 0xff, 0x7f, 0x80, 1][random.next(5)];
                places.push(at);
            }
            let one = Instant::now();
            read_all(&damaged);
            assert!(one.elapsed() < Duration::from_secs(10), "{file} {places:?}");
            for at in places {
                damaged[at] = bytes[at];
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{file}");
    }
}
