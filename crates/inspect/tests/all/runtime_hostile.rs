//! Damaged runtime parts: never a panic, never a hang, whatever is read.

use crate::parts;
use std::fs;
use std::time::{Duration, Instant};

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::distribution::Distribution;
use artcheck_inspect::runtime::load_set::LoadSet;
use artcheck_inspect::runtime::member::Member;
use artcheck_inspect::runtime::{PartKind, classify};
use artcheck_inspect::source::Place;

const PARTS: [&str; 5] = [
    "tvm-0.27-linux-aarch64/tvm/lib/libtvm_runtime.so",
    "tvm-0.27-linux-x86_64/tvm/lib/libtvm_runtime_cuda.so",
    "tvm-0.26-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib",
    "tvm-0.25-windows-x64/tvm/lib/tvm_runtime_cuda.dll",
    "tvm-ffi-0.1.12-linux-aarch64/tvm_ffi/lib/libtvm_ffi.so",
];

/// Reads damaged bytes as far as they go, as a VM runtime so that every reader
/// is reached; returns whether anything was read.
fn read(data: &[u8]) -> bool {
    let started = Instant::now();
    let mut any = false;
    for parsed in container::parse(data).unwrap_or_default() {
        let _ = classify(&parsed.binary, "libtvm_runtime.so");
        let Ok(member) = Member::read(
            &Place::file("damaged"),
            PartKind::Runtime,
            data,
            &parsed,
            &[],
            Registered::Followed,
        ) else {
            continue;
        };
        let set = LoadSet::assemble("damaged", vec![member], Vec::new());
        let _ = (
            set.missing(),
            set.duplicates(),
            set.libraries(),
            set.bad_pairs(),
        );
        any = true;
    }
    assert!(started.elapsed() < Duration::from_secs(10), "took too long");
    any
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("fits")
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn truncated_and_changed_parts_are_read_or_refused() {
    for part in PARTS {
        let whole = fs::read(parts::unpacked(part)).expect("the part can be read");
        assert!(read(&whole), "{part}: whole");
        for step in 0..16 {
            read(&whole[..whole.len() * step / 16]);
        }
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..48 {
            let mut damaged = whole.clone();
            // Half of the changes fall into the headers.
            let limit = if random.below(2) == 0 {
                4096
            } else {
                damaged.len()
            };
            for _ in 0..=random.below(8) {
                let at = random.below(limit);
                damaged[at] = u8::try_from(random.below(256)).expect("a byte");
            }
            read(&damaged);
        }
    }
}

#[test]
fn strange_package_metadata_is_no_package() {
    for text in [
        "",
        ":",
        "Name:\nVersion:\n",
        "Name: apache-tvm\n",
        "\0\0\0",
        "Name apache-tvm",
    ] {
        assert_eq!(Distribution::parse(text), None, "{text:?}");
    }
    let odd = Distribution::parse(
        "Name: apache-tvm\nVersion: x\nRequires-Dist: apache-tvm-ffi(>=1)\nRequires-Dist: \u{e9}\n",
    )
    .expect("a package");
    assert_eq!(odd.range(), None);
    assert_eq!(odd.requires[0].specification, ">=1");
}
