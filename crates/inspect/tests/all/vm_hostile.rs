//! Blobs that were cut or changed: an error or a reading, never a panic, never
//! a hang, and never more memory than the blob explains.

use crate::writer;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use artcheck_inspect::container;
use artcheck_inspect::limits::MAX_BLOB_CANDIDATES;
use artcheck_inspect::module::{Blob, locate, metadata};
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::kv_cache;
use artcheck_inspect::vm::stats::stats;
use artcheck_inspect::vm::{Executable, Magic};

/// Far more than any of these needs, even on a busy machine.
const CAP: Duration = Duration::from_secs(10);

/// xorshift64: the same changes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}

fn corpus_blob(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../corpus/artifacts")
        .join(name);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = container::parse(&bytes).unwrap();
    let library = locate::find(&parsed[0]).remove(0);
    let start = usize::try_from(library.file_offset).unwrap();
    let length = usize::try_from(library.blob.unwrap().length).unwrap();
    bytes[start..start + length].to_vec()
}

/// Everything that can be asked of a blob; whether its program was readable.
fn read_all(bytes: &[u8]) -> bool {
    let Ok(blob) = Blob::decode(bytes) else {
        return false;
    };
    for (_, executable) in blob.executables() {
        let listing = disassemble(executable).map_or(0, |text| text.len());
        assert!(listing <= 400 * bytes.len() + 1024, "{listing} bytes");
        let _text = stats(executable);
        let _caches = kv_cache::kv_caches(executable);
        let _metadata = metadata::read(executable);
    }
    blob.executables().next().is_some()
}

fn read_in_time(bytes: &[u8]) -> bool {
    let start = Instant::now();
    let readable = read_all(bytes);
    assert!(start.elapsed() < CAP, "{:?}", start.elapsed());
    readable
}

/// One to eight bytes, set to values that make good lengths and counts.
fn change(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len());
        bytes[at] = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => bytes[at].wrapping_add(1),
            _ => random.next().to_le_bytes()[0],
        };
    }
}

#[test]
fn cut_anywhere() {
    for name in [
        "tvm-0.25/extcall-cpu-x86_64.so",
        "tvm-0.27/extcall-cpu-x86_64.so",
    ] {
        let blob = corpus_blob(name);
        assert!(read_in_time(&blob));
        for length in 0..blob.len() {
            assert!(!read_in_time(&blob[..length]), "{name} cut to {length}");
        }
    }
    let blob = corpus_blob("tvm-0.27/dense-cpu-x86_64.so");
    for part in 0..64 {
        assert!(!read_in_time(&blob[..blob.len() * part / 64]));
    }
}

#[test]
fn changed_anywhere() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, rounds) in [
        ("tvm-0.25/extcall-cpu-x86_64.so", 2000),
        ("tvm-0.27/extcall-cpu-x86_64.so", 2000),
        ("tvm-0.27/dense-cpu-x86_64.so", 300),
        ("tvm-0.27/hybrid-cpu-x86_64.so", 300),
    ] {
        let blob = corpus_blob(name);
        let mut readable = 0;
        for _ in 0..rounds {
            let mut bytes = blob.clone();
            change(&mut bytes, &mut random);
            readable += usize::from(read_in_time(&bytes));
        }
        // Changed text and numbers still read; changed structure does not.
        assert!((1..rounds).contains(&readable), "{name}: {readable}");
    }
}

/// Only the head is changed: counts, lengths, tree, kinds.
#[test]
fn changed_heads() {
    let blob = corpus_blob("tvm-0.26/extcall-cpu-x86_64.so");
    for at in 0..256.min(blob.len()) {
        for value in 0..=255 {
            let mut bytes = blob.clone();
            bytes[at] = value;
            read_in_time(&bytes);
        }
    }
}

/// Counts as large as a count can be, in every place that holds one.
#[test]
fn giant_counts() {
    let executable = writer::executable(Magic::V2);
    for at in 0..executable.len().saturating_sub(8) {
        for count in [u64::MAX, i64::MAX as u64, u64::from(u32::MAX), 1 << 40] {
            let mut bytes = executable.clone();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let start = Instant::now();
            let _decoded = Executable::decode(&bytes);
            assert!(start.elapsed() < CAP);
        }
    }
}

/// Functions that claim the same instructions would print without end.
#[test]
fn overlapping_functions_are_refused() {
    let code = vec![vec![2, 0]; 1000];
    let functions: Vec<Vec<u8>> = (0..1000)
        .map(|index| writer::function(1, &format!("f{index}"), 0..1000, 0, 1))
        .collect();
    let bytes = writer::assemble(Magic::V2, &functions, &[], &code);
    let error = Executable::decode(&bytes).unwrap_err();
    assert!(error.found.contains("overlap"), "{error}");
}

/// A long name printed at every argument: the listing stops at its limit.
#[test]
fn listings_are_bounded() {
    let name = "n".repeat(1 << 20);
    let functions = [
        writer::function(1, "main", 0..1, 0, 1),
        writer::function(0, &name, 0..0, -2, 0),
    ];
    let count = 1000;
    let mut call = vec![1, 0, 1, count];
    call.extend(vec![(3_i64 << 56) | 1; usize::try_from(count).unwrap()]);
    let bytes = writer::assemble(Magic::V2, &functions, &[], &[call]);
    let executable = Executable::decode(&bytes).unwrap();
    let error = disassemble(&executable).unwrap_err();
    assert!(
        error.is_limit && error.expected.contains("listing"),
        "{error}"
    );
}

/// A region full of lures: kinds and magics, none in a blob. Some are named, the
/// last as one too many.
#[test]
fn lures_are_bounded() {
    let mut lure = 18_u64.to_le_bytes().to_vec();
    lure.extend(b"relax.VMExecutable");
    lure.extend(64_u64.to_le_bytes());
    lure.extend(Magic::V2.bytes());
    let mut data: Vec<u8> = Vec::new();
    while data.len() < 1 << 20 {
        // Lengths that reach far, and small counts, at every word.
        data.extend(0x2000_u64.to_le_bytes());
        data.extend(3_u64.to_le_bytes());
        data.extend(&lure);
    }
    let parsed = writer::parsed(&data);
    let start = Instant::now();
    let found = locate::find_by_magic(&parsed);
    assert!(found.len() <= MAX_BLOB_CANDIDATES + 1, "{}", found.len());
    assert!(found.iter().all(|library| library.blob.is_err()));
    let last = found.last().expect("named");
    assert!(last.blob.as_ref().is_err_and(|error| error.is_limit));
    assert!(start.elapsed() < CAP, "{:?}", start.elapsed());
}
