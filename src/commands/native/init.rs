//! `artcheck init`: a commented artcheck.toml to start from, or a matrix.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use artcheck_inspect::runtime::release;
use artcheck_inspect::shell;
use artcheck_inspect::source::Spelled as _;

use super::init_verify;
use crate::args::InitArgs;
use crate::exit::Status;
use crate::policy::TEMPLATE;
use crate::policy::config::FILE_NAME;
use crate::report::phrases::counted;

/// Writes the file; never over another one.
pub fn run(args: &InitArgs) -> anyhow::Result<Status> {
    if args.verify {
        let (text, rows) = init_verify::matrix(&args.folder)?;
        let file = args.folder.join(init_verify::FILE_NAME);
        write(&file, &text)?;
        tell!(
            "artcheck: wrote {} with {}; run it with\n  VIRTUAL_ENV=\"$PWD/.venv\" artcheck verify {}",
            file.spelled(),
            counted(rows, "row"),
            shell::path(&file)
        );
        return Ok(Status::Clean);
    }
    let file = args.folder.join(FILE_NAME);
    let newest = release::releases().last();
    let text = TEMPLATE.replace("NEWEST", newest.map_or("", |known| &known.name));
    write(&file, &text)?;
    tell!(
        "artcheck: wrote {}; it names {} as the runtime",
        file.spelled(),
        newest.map_or("none", |known| &known.name)
    );
    Ok(Status::Clean)
}

/// Writes a new file, and over none.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} exists already: remove it first", file.spelled());
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut handle| handle.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", file.spelled()))
}
