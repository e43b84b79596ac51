//! `artcheck patch retag`: the attention tags of an artifact.

use anyhow::Context;
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::receipt;

use super::carry_out::{carry_out, resign};
use crate::args::PatchRetagArgs;
use crate::exit::Status;
use crate::runtimes;

/// Plans the change, and carries it out where the user said where to.
pub fn run(args: &PatchRetagArgs) -> anyhow::Result<Status> {
    let file = &args.file;
    let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let runtime = args
        .runtime
        .as_deref()
        .map(runtimes::resolve_one)
        .transpose()?;
    let plan = retag::plan(
        &bytes,
        &RetagOptions {
            to: args.to,
            runtime: runtime.as_ref().map(|runtime| &runtime.profile),
            resign: resign(args.change.resign),
            rooms: receipt::rooms(file, &bytes)?,
        },
    )
    .with_context(|| format!("{}", file.display()))?;
    carry_out(file, &plan, &args.change.to_where, args.change.format)
}
