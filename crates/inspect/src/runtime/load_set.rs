//! Placeholder until the load sets land.

use serde::Serialize;

use super::RuntimeProfile;
use crate::artifact::Artifact;

/// Files that end up in one process.
#[derive(Debug, Clone, Serialize)]
pub struct LoadSet {
    /// Merged profile.
    pub profile: RuntimeProfile,
}

impl LoadSet {
    /// Whether a VM runtime is among them.
    pub fn holds_vm_runtime(&self) -> bool {
        false
    }

    /// Whether an artifact can load into it.
    pub fn fits(&self, _artifact: &Artifact) -> bool {
        false
    }
}
