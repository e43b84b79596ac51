//! `artcheck man`: manual pages, generated from the command line's grammar.

use std::io::Write;

use anyhow::Context;
use artcheck_inspect::source::Spelled as _;
use clap::CommandFactory;

use crate::args::{Args, ManArgs};
use crate::exit::Status;
use crate::streams::stdout;

/// Prints the main page, or writes all of them.
pub fn run(args: &ManArgs) -> anyhow::Result<Status> {
    match &args.out {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Args::command(), folder))
            .with_context(|| format!("{} cannot be written", folder.spelled()))?,
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut text)?;
            stdout().write_all(&text)?;
        }
    }
    Ok(Status::Clean)
}
