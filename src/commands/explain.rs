//! `artcheck explain CODE`: the rule's page.

use std::io::Write;

use anyhow::anyhow;
use artcheck_inspect::rules;
use artcheck_inspect::runtime::pages;

use crate::args::ExplainArgs;
use crate::exit::Status;

/// Prints the page of one rule.
pub fn run(args: &ExplainArgs) -> anyhow::Result<Status> {
    let rule = rules::find(&args.rule)
        .ok_or_else(|| anyhow!("no rule `{}`; `artcheck rules` lists them", args.rule))?;
    std::io::stdout().write_all(pages::fill(rule.explain).as_bytes())?;
    Ok(Status::Clean)
}
