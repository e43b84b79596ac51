//! `artcheck patch source`: upstream patch files for a TVM tree.

use std::io::Write;

use artcheck_patch::source::{self, SourceOptions};

use crate::args::PatchSourceArgs;
use crate::exit::Status;
use crate::report::style::Style;
use crate::streams::stdout;

/// Plans, writes or applies the patches.
pub fn run(args: &PatchSourceArgs, style: Style) -> anyhow::Result<Status> {
    let outcome = source::run(&SourceOptions {
        tvm_dir: args.tvm.clone(),
        out: args.out.clone(),
        apply: args.apply,
    })?;
    let mut out = stdout();
    write!(out, "{}", style.page(outcome.summary.trim_end()))?;
    // Without a place to write to, the patches themselves are the output.
    if args.out.is_none() && !args.apply {
        for patch in outcome.plan.series() {
            write!(out, "{}", patch.text)?;
        }
    }
    Ok(Status::Clean)
}
