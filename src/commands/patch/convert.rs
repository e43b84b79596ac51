//! `artcheck patch convert`: everything a runtime needs that can be made exact
//! in the artifact itself.

use anyhow::Context;
use artcheck_patch::inplace::convert::{self, ConvertOptions};
use artcheck_patch::receipt;

use super::carry_out::{carry_out, resign};
use crate::args::PatchConvertArgs;
use crate::exit::Status;
use crate::runtimes;

/// Plans the change, and carries it out where the user said where to.
pub fn run(args: &PatchConvertArgs) -> anyhow::Result<Status> {
    let file = &args.file;
    let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let runtime = runtimes::resolve_one(&args.runtime)?;
    let options = ConvertOptions {
        partial: args.partial,
        resign: resign(args.change.resign),
        rooms: receipt::rooms(file, &bytes)?,
    };
    let plan = convert::plan(&bytes, &runtime.profile, &options)
        .with_context(|| format!("{}", file.display()))?;
    carry_out(file, &plan, &args.change.to_where, args.change.format)
}
