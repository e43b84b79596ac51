//! `cargo xtask`: what maintainers do by command. Not part of the product.

mod ask;
mod compiler;
mod derive;
mod entry;
mod known;
mod messages;
mod sound;
mod web;
mod wheels;
mod written;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::runtime::table::Table;
use clap::{Args, Parser, Subcommand};

/// What maintainers do by command.
#[derive(Debug, Parser)]
enum Task {
    /// The release table, `crates/inspect/data/releases.toml`.
    #[command(subcommand)]
    Release(Release),
    /// Add npm packages (`@mlc-ai/web-llm`, `@mlc-ai/web-runtime`; tarballs or unpacked
    /// folders) to `crates/inspect/data/web_packages.toml`.
    Web {
        /// The packages.
        #[arg(required = true)]
        packages: Vec<PathBuf>,
    },
    /// Write `src/explain/printed.txt`: what the runtimes of these wheels print when
    /// something fails, and which source file prints it.
    Messages {
        /// Unpacked wheels of apache-tvm and apache-tvm-ffi.
        #[arg(required = true)]
        wheels: Vec<PathBuf>,
    },
    /// Print what is said to be wrong with the loader's tables of libraries, whether they
    /// are TVM's or not: of sound ones from elsewhere nothing may be. Standard input has a
    /// path in each line.
    Sound,
    /// The child that loads libraries and asks them which names are registered.
    #[command(hide = true)]
    Ask {
        /// Libraries, in order of loading.
        libraries: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Release {
    /// Derive the entry of a release from its wheels, relative to an earlier
    /// one, and print it. What no library shows is asked for by name.
    Add(Add),
    /// Print the rows of `crates/inspect/data/known_runtimes.toml` for the VM runtimes
    /// of these wheels: files or unpacked folders.
    Known {
        /// Wheels of apache-tvm.
        #[arg(required = true)]
        wheels: Vec<PathBuf>,
    },
    /// Add the functions that the compilers of these wheels register to
    /// `crates/inspect/data/compiler_functions.txt`.
    Compiler {
        /// Unpacked wheels of apache-tvm, of one release.
        #[arg(required = true)]
        wheels: Vec<PathBuf>,
    },
}

/// From what an entry is derived.
#[derive(Debug, Args)]
struct Add {
    /// Wheels of apache-tvm and apache-tvm-ffi, of every platform: files or
    /// unpacked folders.
    #[arg(required = true)]
    wheels: Vec<PathBuf>,
    /// Model libraries that this release compiled: they show what it writes.
    #[arg(long, num_args = 1..)]
    built: Vec<PathBuf>,
    /// The profile to start from; by default the one before it in the table.
    #[arg(long)]
    base: Option<String>,
    /// Append the entry to the table.
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Release(Release::Add(add)) => add_release(&add),
        Task::Release(Release::Known { wheels }) => known::print(&wheels),
        Task::Release(Release::Compiler { wheels }) => compiler::add(&wheels),
        Task::Web { packages } => web::add(&packages),
        Task::Messages { wheels } => messages::write(&wheels),
        Task::Sound => sound::run(),
        Task::Ask { libraries } => ask::child(&libraries),
    }
}

fn table_path() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .unwrap_or(Path::new(".."))
        .join("inspect/data/releases.toml")
}

fn parse(text: &str) -> anyhow::Result<Table> {
    let rows: toml::Table = text.parse()?;
    Ok(Table::parse(&serde_json::to_string(&rows)?)?)
}

fn add_release(add: &Add) -> anyhow::Result<()> {
    let path = table_path();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table = parse(&text)?;
    let wheels = wheels::read(&add.wheels)?;
    let base = match &add.base {
        Some(name) => table
            .by_name(name)
            .with_context(|| format!("the table has no profile `{name}`"))?,
        None => wheels::before(&table, &wheels.number)
            .with_context(|| format!("the table has nothing before {}", wheels.number))?,
    };
    let written = written::read(&add.built)?;
    let derived = derive::derive(&wheels, &written, base)?;
    let entry = entry::text(&wheels, base, &derived);
    for question in &derived.asked {
        eprintln!("asked: {question}");
    }
    for note in &derived.notes {
        eprintln!("note: {note}");
    }
    if !add.write {
        print!("{entry}");
        return Ok(());
    }
    if table.by_name(&wheels.number).is_some() {
        bail!("the table has {} already", wheels.number);
    }
    let whole = format!("{}\n\n{entry}", text.trim_end());
    parse(&whole).context("the entry does not fit the table")?;
    std::fs::write(&path, whole).with_context(|| path.display().to_string())?;
    eprintln!("appended tvm-{} to {}", wheels.number, path.display());
    Ok(())
}
