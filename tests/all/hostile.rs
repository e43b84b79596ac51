//! Bad input: every file of the corpus cut at 64 places and changed 200
//! or 2,000 times, each read with all rules against all releases. Nothing panics,
//! nothing hangs, and what cannot be read is a finding.

use crate::support;
use std::path::{Path, PathBuf};

use artcheck_inspect::artifact::{Artifact, Role};
use artcheck_inspect::scan::{Scan, ScanOptions, scan_bytes};

use crate::support::damage::{self, Random, Watch};

const CUTS: usize = 64;
/// Changes of each file; ten times as many beside the tests on real parts.
const CHANGES: usize = if cfg!(feature = "real-parts") {
    2_000
} else {
    200
};
/// Changes of one file that one worker tries in a row.
const BATCH: usize = 100;

fn corpus() -> Vec<(String, Vec<u8>)> {
    let files = support::files_below("corpus/artifacts");
    assert!(
        files.len() > 100,
        "only {} files in the corpus",
        files.len()
    );
    files
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).expect("the corpus can be read");
            (name(&path), bytes)
        })
        .collect()
}

fn name(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(support::root()).unwrap_or(path).into();
    path.to_string_lossy().into_owned()
}

/// Scans and holds the result against what must be true of any input.
fn read(name: &str, bytes: &[u8]) -> Result<Scan, String> {
    let scan = scan_bytes(name, bytes, &ScanOptions::default());
    for artifact in &scan.artifacts {
        if !is_accounted_for(artifact, &scan) {
            return Err(format!("{} is neither read nor reported", artifact.path));
        }
    }
    // Facts are drawn from the bytes: none may outgrow them by far.
    let text: usize = scan.findings.iter().map(|f| f.message.len()).sum();
    if text > 64 * bytes.len() + (1 << 20) {
        return Err(format!("{text} bytes of messages from {}", bytes.len()));
    }
    Ok(scan)
}

/// A clean reading, or a finding that says what was not read.
fn is_accounted_for(artifact: &Artifact, scan: &Scan) -> bool {
    let undecoded = artifact
        .libraries
        .iter()
        .any(|library| library.blob.is_err());
    let clean = artifact.role != Role::Unreadable && artifact.problems.is_empty() && !undecoded;
    clean
        || scan
            .findings
            .iter()
            .any(|finding| finding.artifact == artifact.path)
}

/// Names under which a file is an artifact to everybody: whatever stands there
/// is worth a word.
fn is_artifact_name(name: &str) -> bool {
    [".so", ".dylib", ".dll", ".wasm", ".o", ".a", ".tar"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

#[test]
fn cut_anywhere() {
    let files = corpus();
    damage::assert_none(&damage::in_parallel(&files, |(name, bytes), watch| {
        for step in 0..CUTS {
            let cut = bytes.len() * step / CUTS;
            watch.case(
                || format!("{name} cut at {cut} of {}", bytes.len()),
                || {
                    let scan = read(name, &bytes[..cut])?;
                    if cut < bytes.len() && is_artifact_name(name) && scan.findings.is_empty() {
                        return Err("reads as whole".to_owned());
                    }
                    Ok(())
                },
            );
        }
    }));
}

#[test]
fn changed_anywhere() {
    let files = corpus();
    let jobs: Vec<(usize, usize)> = (0..files.len())
        .flat_map(|file| (0..CHANGES / BATCH).map(move |batch| (file, batch)))
        .collect();
    damage::assert_none(&damage::in_parallel(&jobs, |(file, batch), watch| {
        let (name, bytes) = &files[*file];
        changes(name, bytes.clone(), *batch, watch);
    }));
}

fn changes(name: &str, mut bytes: Vec<u8>, batch: usize, watch: &Watch<'_>) {
    let seed = name.bytes().fold(batch as u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mut random = Random::new(seed);
    for round in 0..BATCH {
        let before = damage::change(&mut bytes, &mut random);
        watch.case(
            || format!("{name} batch {batch} round {round}: {before:?}"),
            || {
                let scan = read(name, &bytes)?;
                if is_artifact_name(name) && scan.artifacts.is_empty() {
                    return Err("nothing is said of it".to_owned());
                }
                Ok(())
            },
        );
        damage::restore(&mut bytes, &before);
    }
}
