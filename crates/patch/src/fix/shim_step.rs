//! The shim library of a plan of repairs.

use std::collections::BTreeSet;

use artcheck_inspect::finding::{Finding, Repair};

use super::{FixInput, FixStep};
use crate::shim::ShimPart;

/// The parts that are needed, and for which rules.
#[derive(Default)]
pub(super) struct ShimStep {
    parts: BTreeSet<ShimPart>,
    rules: BTreeSet<String>,
}

impl ShimStep {
    pub(super) fn add(&mut self, part: ShimPart, finding: &Finding) {
        self.parts.insert(part);
        self.rules.insert(finding.rule.to_owned());
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.parts.iter().map(|part| part.name()).collect()
    }

    /// `None` where no part is needed.
    pub(super) fn finish(&self, input: &FixInput<'_>) -> Option<FixStep> {
        if self.parts.is_empty() {
            return None;
        }
        let paths = input.runtime_paths.iter();
        let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
        let runtime = match paths.as_slice() {
            [] => "PATH-OF-THE-RUNTIME".to_owned(),
            paths => paths.join(" "),
        };
        let parts = self.parts.iter();
        Some(FixStep {
            way: Repair::Shim,
            rules: self.rules.iter().cloned().collect(),
            what: parts
                .map(|part| format!("{part}: {}", part.summary()))
                .collect(),
            command: format!(
                "artcheck patch shim --runtime {runtime} --for {} --out libartcheck_shim.so",
                input.file.display()
            ),
        })
    }
}
