//! `patch shim`: a library that mends a stock runtime at load time.
//!
//! What it is: readable C++ source put together from the parts that are needed,
//! and the shared library built from it. All parts but device-api use only the
//! tvm-ffi C ABI, declared by hand in the source, and ask the runtime that they
//! find themselves in what it accepts. What it is not: a change to the runtime's
//! or the model's files. Nothing that is linked to is ever loaded or run here.

mod build;
mod compiler;
mod emit;
mod error;
mod guide;
mod options;
mod part;
mod runtime;
mod system_stub;
mod target;

use std::fmt::Write as _;
use std::path::PathBuf;

use artcheck_inspect::source::Spelled as _;

use crate::io_error::io;

pub use compiler::Environment;
pub use error::ShimError;
pub use options::ShimOptions;
pub use part::{ShimPart, ShimPlan};
pub use runtime::{Runtime, RuntimeLibrary};
pub use target::ShimTarget;

/// What `build` made.
#[derive(Debug, Clone)]
pub struct ShimOutcome {
    /// The library.
    pub library: PathBuf,
    /// The sources, beside the library.
    pub sources: Vec<PathBuf>,
    /// What it was built for.
    pub target: ShimTarget,
    /// The compiler's command.
    pub compiler: String,
    /// The library's install name or SONAME.
    pub install_name: String,
    /// Where the library looks for the runtime, in order.
    pub rpaths: Vec<String>,
    /// How to load it and when each way works.
    pub guide: String,
    /// All of this in words, for a terminal.
    pub summary: String,
}

/// Finds the runtime, writes the source and builds the library.
pub fn build(options: &ShimOptions) -> Result<ShimOutcome, ShimError> {
    if options.plan.is_empty() {
        return Err(ShimError::NoParts);
    }
    let runtime = runtime::find(&options.runtime_paths, options.target)?;
    let target = runtime.runtime.target;
    let needs_cxx_library = options.plan.has(ShimPart::DeviceApi);
    let compiler = compiler::find(&options.environment, target, needs_cxx_library)?;
    let built = build::run(options, &runtime, &compiler)?;
    // The loaders take a bare name for something to search for, so name it in full.
    let library =
        std::path::absolute(&options.out).map_err(io(&options.out, "cannot tell the full path"))?;
    let guide = guide::how_to_load(&library.display().to_string(), &options.plan, target);
    let mut outcome = ShimOutcome {
        library,
        sources: built.sources,
        target,
        compiler: compiler.name(),
        install_name: built.install_name,
        rpaths: built.rpaths,
        guide,
        summary: String::new(),
    };
    outcome.summary = summarise(&outcome, options, &runtime);
    Ok(outcome)
}

fn summarise(outcome: &ShimOutcome, options: &ShimOptions, runtime: &Runtime) -> String {
    let mut text = format!(
        "shim: {} ({}, {})\n",
        outcome.library.spelled(),
        outcome.target,
        outcome.install_name
    );
    for part in options.plan.parts() {
        let _ = writeln!(text, "  {part}: {}", part.summary());
    }
    let _ = writeln!(text, "runtime: {}", runtime.runtime.path.spelled());
    let _ = writeln!(text, "tvm-ffi: {}", runtime.ffi.path.spelled());
    let _ = writeln!(text, "compiler: {}", outcome.compiler);
    for source in &outcome.sources {
        let _ = writeln!(text, "source: {}", source.spelled());
    }
    text.push_str(&outcome.guide);
    text
}
