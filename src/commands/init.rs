//! `artcheck init`: a commented artcheck.toml to start from.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Context;
use artcheck_inspect::runtime::release;

use crate::args::InitArgs;
use crate::exit::Status;
use crate::policy::TEMPLATE;
use crate::policy::config::FILE_NAME;

/// Writes the file; never over another one.
pub fn run(args: &InitArgs) -> anyhow::Result<Status> {
    let file = args.folder.join(FILE_NAME);
    let newest = release::releases().last();
    let text = TEMPLATE.replace("NEWEST", newest.map_or("", |known| &known.name));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut handle| handle.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!(
        "artcheck: wrote {}; it names {} as the runtime",
        file.display(),
        newest.map_or("none", |known| &known.name)
    );
    Ok(Status::Clean)
}
