//! Every real library under the parts parses, and parsing them all stays far
//! below what reading them would take.

use crate::parts;
use std::time::{Duration, Instant};

use artcheck_inspect::container;
use memmap2::Mmap;

pub fn libraries(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            libraries(&path, found);
        } else if path.metadata().expect("metadata").len() > 8 {
            found.push(path);
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn all_real_libraries_parse_without_being_read() {
    let mut files = Vec::new();
    libraries(&parts::root().join("unpacked"), &mut files);
    let mut spent = Duration::ZERO;
    let (mut binaries, mut bytes_seen, mut slowest) = (0, 0u64, (Duration::ZERO, String::new()));
    for path in files {
        let file = std::fs::File::open(&path).expect("readable");
        // The parts are not changed while tests run.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.expect("mappable");
        if !container::identify(&map).is_binary() {
            continue;
        }
        let start = Instant::now();
        let parsed = container::parse(&map);
        let took = start.elapsed();
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!parsed.is_empty(), "{}", path.display());
        spent += took;
        binaries += 1;
        bytes_seen += map.len() as u64;
        if took > slowest.0 {
            slowest = (took, path.display().to_string());
        }
    }
    println!("{binaries} binaries, {bytes_seen} bytes, {spent:?}; slowest {slowest:?}");
    assert!(bytes_seen > 2_000_000_000, "the parts are complete");
    // Without optimisation, with a cold start; the release figure is far lower.
    assert!(spent < Duration::from_secs(2), "{spent:?}");
}
