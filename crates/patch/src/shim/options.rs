//! What is to be built, for what, and where to.

use std::path::PathBuf;

use super::compiler::Environment;
use super::part::ShimPlan;
use super::target::ShimTarget;

/// What `patch shim` is asked to do.
#[derive(Debug, Clone)]
pub struct ShimOptions {
    /// Files or folders that hold libtvm_runtime, libtvm_ffi and their headers.
    pub runtime_paths: Vec<PathBuf>,
    /// The parts to build.
    pub plan: ShimPlan,
    /// The library to write; the source goes beside it.
    pub out: PathBuf,
    /// What to build for; by default what the runtime's libraries are for.
    pub target: Option<ShimTarget>,
    /// Where to look for a compiler.
    pub environment: Environment,
}
