//! `artcheck init`: a commented artcheck.toml to start from.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Context;

use crate::args::InitArgs;
use crate::exit::Status;
use crate::policy::TEMPLATE;
use crate::policy::config::FILE_NAME;

/// Writes the file; never over another one.
pub fn run(args: &InitArgs) -> anyhow::Result<Status> {
    let file = args.folder.join(FILE_NAME);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut handle| handle.write_all(TEMPLATE.as_bytes()))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("artcheck: wrote {}", file.display());
    Ok(Status::Clean)
}
