//! `artcheck completions SHELL`.

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::exit::Status;
use crate::streams::stdout;

/// Prints the completions.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Status> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "artcheck", &mut text);
    std::io::Write::write_all(&mut stdout(), &text)?;
    Ok(Status::Clean)
}
