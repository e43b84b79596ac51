//! `artcheck patch relocate`: folders of the build machine in names and run paths.

use anyhow::Context;
use artcheck_patch::inplace::relocate;

use super::carry_out::{carry_out, resign};
use crate::args::PatchFileArgs;
use crate::exit::Status;

/// Plans the change, and carries it out where the user said where to.
pub fn run(args: &PatchFileArgs) -> anyhow::Result<Status> {
    let file = &args.file;
    let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let plan = relocate::plan(&bytes, resign(args.change.resign))
        .with_context(|| format!("{}", file.display()))?;
    carry_out(file, &plan, &args.change.to_where, args.change.format)
}
