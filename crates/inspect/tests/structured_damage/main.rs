//! Damage that knows the formats: fields of headers and tables set to values
//! that lie, in every file of the corpus and in archives made of them. Nothing
//! panics, nothing takes long, and memory is bounded by the file's size plus a
//! constant.
//!
//! A fixed number of cases runs by default. `ARTCHECK_DAMAGE_SECONDS=600` goes
//! on with new ones for that long.

mod containers;
#[allow(dead_code, reason = "only a part is used here")]
#[path = "../../../../tests/all/support/damage.rs"]
mod damage;
mod fields;
mod floods;
mod memory;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use artcheck_inspect::Role;
use artcheck_inspect::scan::{ScanOptions, scan_bytes};

use damage::{CAP, Random};

/// Memory that a case may take besides the file's size: what the limits of
/// `limits.rs` leave, reached by files that are made for it.
const CONSTANT: usize = 512 << 20;
/// The same for damaged files of real size.
const CONSTANT_OF_REAL: usize = 16 << 20;
/// Cases of each file in an ordinary run.
const ROUNDS: u64 = 40;

/// One test at a time: what one allocates would count as another's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads `bytes` under every rule and release; what went wrong, if anything.
fn trouble(name: &str, bytes: &[u8], constant: usize) -> Option<String> {
    let started = Instant::now();
    let before = memory::start();
    let scan = catch_unwind(AssertUnwindSafe(|| {
        scan_bytes(name, bytes, &ScanOptions::default())
    }));
    let peak = memory::peak_since(before);
    let took = started.elapsed();
    let Ok(scan) = scan else {
        return Some("it panics".to_owned());
    };
    if took > CAP {
        return Some(format!("it takes {took:?}"));
    }
    if peak > bytes.len() + constant {
        return Some(format!("it takes {peak} bytes for {}", bytes.len()));
    }
    let silent = scan.artifacts.iter().find(|artifact| {
        artifact.role == Role::Unreadable
            && !scan.findings.iter().any(|f| f.artifact == artifact.path)
    });
    silent.map(|artifact| format!("nothing is said of {}", artifact.path))
}

fn damage_once(name: &str, original: &[u8], seed: u64) -> Option<String> {
    let mut random = Random::new(seed);
    let mut bytes = original.to_vec();
    let done = fields::damage(&mut bytes, &mut random);
    trouble(name, &bytes, CONSTANT_OF_REAL)
        .map(|what| format!("{name} seed {seed}: {done:?}: {what}"))
}

fn seconds() -> Option<Duration> {
    let text = std::env::var("ARTCHECK_DAMAGE_SECONDS").ok()?;
    Some(Duration::from_secs(
        text.parse().expect("a number of seconds"),
    ))
}

#[test]
fn lying_fields_are_found_out() {
    let _alone = alone();
    let files = containers::all();
    let until = seconds().map(|long| Instant::now() + long);
    let mut failures = Vec::new();
    let mut round = 0;
    while until.map_or(round < ROUNDS, |until| Instant::now() < until) {
        for (index, (name, bytes)) in files.iter().enumerate() {
            let seed = round * 10_007 + index as u64;
            failures.extend(damage_once(name, bytes, seed));
        }
        round += 1;
    }
    println!("{round} rounds over {} files", files.len());
    damage::assert_none(&failures);
}

/// Files that are well formed and made to cost time or memory.
#[test]
fn floods_cost_no_more_than_their_size() {
    let _alone = alone();
    let mut failures = Vec::new();
    for (name, bytes) in containers::floods() {
        if let Some(what) = trouble(name, &bytes, CONSTANT) {
            failures.push(format!("{name}, {} bytes: {what}", bytes.len()));
        }
    }
    damage::assert_none(&failures);
}

#[test]
fn what_is_kept_does_not_grow_with_the_file() {
    let _alone = alone();
    let mut failures = Vec::new();
    for (name, make, limit) in floods::ALL {
        let bytes = make();
        if let Some(what) = trouble(name, &bytes, CONSTANT) {
            failures.push(format!("{name}, {} bytes: {what}", bytes.len()));
        }
        // Refused for its number, and not for being badly made.
        let scan = scan_bytes(name, &bytes, &ScanOptions::default());
        let said = format!("{:?}", scan.findings);
        if !said.contains(limit) {
            let said: String = said.chars().take(600).collect();
            failures.push(format!("{name}: nothing of {limit:?}: {said}"));
        }
    }
    damage::assert_none(&failures);
}
