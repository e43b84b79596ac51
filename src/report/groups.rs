//! Findings that say the same, taken together: of several runtimes, and of
//! several places. A report of a hundred thousand files stays one that people read.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::model::Finding;
use super::runtime_names::named;

/// Names of one group that are listed; the others are counted.
pub const LISTED: usize = 10;

/// One problem and every runtime that has it.
pub struct Group<'a> {
    /// The first finding of the group.
    pub finding: &'a Finding,
    /// Runtimes, in order; empty when it holds everywhere.
    pub runtimes: Vec<&'a str>,
}

impl Group<'_> {
    /// What was found, with the release's name where it is on one.
    pub fn message(&self) -> String {
        named(&self.finding.message, &self.runtimes)
    }
}

/// Groups findings by rule, artifact, severity and message, in order.
pub fn groups<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Group<'a>> {
    let key = |finding: &&'a Finding| {
        let artifact = (finding.file.as_str(), finding.artifact.as_str());
        (artifact, &finding.rule, finding.severity, &finding.message)
    };
    let alike = alike(findings, key);
    let groups = alike.into_iter().map(|findings| {
        let mut runtimes: Vec<&str> = Vec::new();
        for runtime in findings
            .iter()
            .filter_map(|finding| finding.runtime.as_deref())
        {
            if !runtimes.contains(&runtime) {
                runtimes.push(runtime);
            }
        }
        findings.first().map(|finding| Group { finding, runtimes })
    });
    groups.flatten().collect()
}

/// Items with the same key together, in the order of the first of each.
pub fn alike<T, K: Hash + Eq>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<T>> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut alike: Vec<Vec<T>> = Vec::new();
    for item in items {
        let place = *places.entry(key(&item)).or_insert(alike.len());
        match alike.get_mut(place) {
            Some(known) => known.push(item),
            None => alike.push(vec![item]),
        }
    }
    alike
}

/// The first names, and how many there are besides.
pub fn listed<T: Display>(names: &[T]) -> Vec<String> {
    let mut lines: Vec<String> = names.iter().take(LISTED).map(ToString::to_string).collect();
    let more = names.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
