//! Fingerprints: the same for the same problem from run to run and machine to
//! machine, so that a baseline or a code-scanning service knows it again.
//!
//! They stand on the rule, the file, the member, the runtime and the symbol or
//! function; never on byte offsets, sizes or wording.

use std::collections::HashMap;

use artcheck_inspect::source::Place;
use sha2::{Digest, Sha256};

use super::model::Finding;

/// Hexadecimal digits of a fingerprint.
const DIGITS: usize = 32;

/// Gives every finding its fingerprint. Findings that share all of the above
/// are told apart by their order.
pub fn assign(findings: &mut [Finding]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for finding in findings {
        let base = subject(finding);
        let count = seen.entry(digest(&base)).or_default();
        finding.fingerprint = digest(&format!("{base}\n{count}"));
        *count += 1;
    }
}

fn subject(finding: &Finding) -> String {
    // The member or slice.
    let inside = finding.place.as_ref().map(Place::inside);
    let place = finding.locations.first();
    let symbol = place.and_then(|place| place.symbol.as_deref());
    let function = place.and_then(|place| place.function.as_deref());
    [
        "v1",
        &finding.rule,
        &finding.file,
        inside.as_deref().unwrap_or_default(),
        finding.runtime.as_deref().map_or("", runtime_name),
        symbol.unwrap_or_default(),
        function.unwrap_or_default(),
    ]
    .join("\n")
}

/// A runtime outside the working directory is known by its last name alone:
/// where a machine keeps it is not part of the problem.
fn runtime_name(runtime: &str) -> &str {
    if runtime.starts_with('/') || runtime.contains(":\\") {
        runtime.rsplit(['/', '\\']).next().unwrap_or(runtime)
    } else {
        runtime
    }
}

fn digest(text: &str) -> String {
    let mut hex = hex::encode(Sha256::digest(text.as_bytes()));
    hex.truncate(DIGITS);
    hex
}
