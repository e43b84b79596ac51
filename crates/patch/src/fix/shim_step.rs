//! The shim library of a plan of repairs.

use std::collections::BTreeSet;
use std::path::Path;

use artcheck_inspect::container::{FileType, identify};
use artcheck_inspect::shell;
use artcheck_inspect::{Repair, Rule};

use super::plan::{FixInput, FixStep};
use crate::shim::ShimPart;

/// Why no shim helps a file of this kind.
pub(super) fn why_not(bytes: &[u8]) -> Option<&'static str> {
    match identify(bytes) {
        FileType::Wasm => {
            Some("no shim can be loaded beside WebAssembly, which holds its runtime itself")
        }
        FileType::Pe | FileType::Coff => Some("shim libraries are built for Linux and macOS alone"),
        _ => None,
    }
}

/// What the shim library for a file is called, unless another name is given.
pub fn shim_name(bytes: &[u8]) -> &'static str {
    match identify(bytes) {
        FileType::MachO | FileType::MachOFat => "libshim.dylib",
        _ => "libshim.so",
    }
}

/// The parts that are needed, and for which rules.
#[derive(Default)]
pub(super) struct ShimStep {
    parts: BTreeSet<ShimPart>,
    rules: BTreeSet<&'static Rule>,
}

impl ShimStep {
    pub(super) fn add(&mut self, part: ShimPart, rule: &'static Rule) {
        self.parts.insert(part);
        self.rules.insert(rule);
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
        let paths: Vec<String> = paths.map(|path| shell::path(path)).collect();
        let runtime = match paths.as_slice() {
            [] => "PATH-OF-THE-RUNTIME".to_owned(),
            paths => paths.join(" "),
        };
        let out = input.shim_out.unwrap_or(Path::new(shim_name(input.bytes)));
        let parts = self.parts.iter();
        let mut what: Vec<String> = parts
            .map(|part| format!("{part}: {}", part.summary()))
            .collect();
        if matches!(
            identify(input.bytes),
            FileType::Ar | FileType::Tar | FileType::Gzip
        ) {
            what.push("in an app that links everything, compile the source beside it".into());
        }
        Some(FixStep {
            way: Repair::Shim,
            rules: self.rules.iter().copied().collect(),
            what,
            command: format!(
                "artcheck patch shim --runtime {runtime} --for {} --out {}",
                shell::path(input.file),
                shell::path(out)
            ),
        })
    }
}
