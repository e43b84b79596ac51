//! `cargo xtask web`: the table of npm packages, from the packages.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::runtime::glue::{Glue, Row, Rows};
use artcheck_inspect::runtime::glue_source;

const HEAD: &str = "\
# What the JavaScript of npm packages offers a wasm library and asks of it, by
# `cargo xtask web PACKAGE...`; see crates/inspect/src/runtime/glue.rs. Not written by hand.
";

/// Adds packages, tarballs or unpacked folders, to the table.
pub fn add(packages: &[PathBuf]) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inspect/data/web_packages.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table: Rows = toml::from_str(&text)?;
    let of_row = |row: &Row| {
        let named = |name: &String| (name.clone(), row.glue.clone());
        row.packages.iter().map(named).collect::<Vec<_>>()
    };
    let mut known: Vec<(String, Glue)> = table.row.iter().flat_map(of_row).collect();
    for package in packages {
        let read = if package.is_dir() {
            glue_source::package(package)
        } else {
            glue_source::tarball(package)
        };
        let shown = package.display();
        let (name, glue) = read.with_context(|| format!("{shown} is not one of the packages"))?;
        let Ok(glue) = glue.map_err(|why| eprintln!("{shown}: {why}")) else {
            bail!("{name} cannot be read");
        };
        known.retain(|(other, _)| *other != name);
        known.push((name, glue));
    }
    known.sort_by_cached_key(|(name, _)| order(name));
    let text = format!("{HEAD}\n{}", toml::to_string_pretty(&rows(known))?);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(())
}

/// Neighbours that are alike become one row.
fn rows(known: Vec<(String, Glue)>) -> Rows {
    let mut rows: Vec<Row> = Vec::new();
    for (name, glue) in known {
        match rows.last_mut().filter(|row| row.glue == glue) {
            Some(row) => row.packages.push(name),
            None => rows.push(Row {
                packages: vec![name],
                glue,
            }),
        }
    }
    Rows { row: rows }
}

/// `web-llm-0.2.79` by package, then by the numbers of its version.
fn order(name: &str) -> (String, Vec<u64>) {
    let split = name.find(|letter: char| letter.is_ascii_digit());
    let (package, version) = name.split_at(split.unwrap_or(name.len()));
    let numbers = version.split(|letter: char| !letter.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse().ok());
    (package.to_owned(), numbers.collect())
}
