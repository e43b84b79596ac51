//! `artcheck patch model-lib`: a name in an app or package configuration.

use anyhow::Context;
use artcheck_patch::inplace::model_lib;

use super::carry_out::carry_out;
use crate::args::PatchModelLibArgs;
use crate::exit::Status;

/// Plans the change, and carries it out where the user said where to.
pub fn run(args: &PatchModelLibArgs) -> anyhow::Result<Status> {
    let file = &args.file;
    let bytes = std::fs::read(file).with_context(|| format!("{}", file.display()))?;
    let plan = model_lib::plan(&bytes, &args.from, &args.to)
        .with_context(|| format!("{}", file.display()))?;
    carry_out(file, &plan, &args.to_where, args.format)
}
