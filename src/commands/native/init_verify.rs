//! `artcheck init --verify`: a matrix for `artcheck verify` with a row for each model
//! library of a folder. What it cannot know it leaves to the reader, in comments.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use artcheck_inspect::Role;
use artcheck_inspect::scan::{ScanOptions, scan};
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::source::beginning::children;

use crate::report::model::{Entry, Report};

/// The file that is written.
pub const FILE_NAME: &str = "verify.toml";
/// Indexes of weights, the newer name first.
pub const INDEXES: [&str; 2] = ["tensor-cache.json", "ndarray-cache.json"];
/// Kinds of device modules, by the device that runs them.
const DEVICES: [&str; 5] = ["cuda", "metal", "vulkan", "opencl", "rocm"];

const HEAD: &str = "\
# A matrix for `artcheck verify`: a row per model library.
# A row passes only if its prompt says what to expect, so fill `expect` in:
# `artcheck verify LIBRARY --weights DIR --prompt TEXT` prints what a model answers.
# Every key: docs/verify.md
schema = 1

# The runtime: a folder, wheel or virtual environment.
[runtimes.here]
paths = [\"${VIRTUAL_ENV}\"]

[defaults]
runtime = \"here\"
max_tokens = 16
";

/// The text of the matrix, and how many rows it has.
pub fn matrix(folder: &Path) -> anyhow::Result<(String, usize)> {
    let options = ScanOptions {
        paths: vec![folder.to_owned()],
        ..ScanOptions::default()
    };
    let found = scan(&options, &())?;
    let report = Report::of(&found, folder);
    let places = found.artifacts.iter().map(|artifact| &artifact.path);
    let libraries = places.zip(&report.artifacts).filter(|(place, entry)| {
        let is_web = place.path().extension().is_some_and(|end| end == "wasm");
        entry.role == Role::ModelLibrary && place.archive().is_none() && !is_web
    });
    let (mut out, mut names, mut rows) = (HEAD.to_owned(), BTreeSet::new(), 0);
    for (place, entry) in libraries {
        let file = place.path();
        if file.to_str().is_none() {
            let _ = writeln!(out, "\n# {place}: its name is not UTF-8, as a matrix is.");
            continue;
        }
        row(&mut out, folder, (file, entry), &mut names);
        rows += 1;
    }
    if rows == 0 {
        bail!(
            "{}: no model library in it that `artcheck verify` can run",
            folder.spelled()
        );
    }
    Ok((out, rows))
}

fn row(
    out: &mut String,
    folder: &Path,
    (file, entry): (&Path, &Entry),
    names: &mut BTreeSet<String>,
) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let mut name = stem.to_string();
    while !names.insert(name.clone()) {
        name.push('\'');
    }
    let inside = file.strip_prefix(folder).unwrap_or(file);
    let kinds = entry.libraries.iter().flat_map(|library| &library.tree);
    let device = kinds
        .filter_map(|module| DEVICES.iter().find(|device| **device == module.kind))
        .next()
        .copied()
        .unwrap_or("cpu");
    let weights = weights_near(&folder.join(inside));
    let _ = writeln!(out, "\n[[row]]\nname = {}", quoted(&name));
    let _ = writeln!(out, "model = {}", quoted(&stem));
    let _ = writeln!(out, "library = {}", quoted(&inside.to_string_lossy()));
    match &weights {
        Some(weights) => {
            let inside = weights.strip_prefix(folder).unwrap_or(weights);
            let text = inside.to_string_lossy();
            let text = if text.is_empty() { "." } else { &text };
            let _ = writeln!(out, "weights = {}", quoted(text));
        }
        None => out.push_str("weights = \"random:1\"   # no weights were found near it\n"),
    }
    let tokenizer = weights.map(|folder| folder.join("tokenizer.json"));
    match tokenizer.filter(|file| file.is_file()) {
        Some(file) => {
            let inside = file.strip_prefix(folder).unwrap_or(&file);
            let _ = writeln!(out, "tokenizer = {}", quoted(&inside.to_string_lossy()));
        }
        None => out.push_str("tokenizer = \"bytes\"\n"),
    }
    let _ = writeln!(out, "device = {}", quoted(device));
    out.push_str("prompt = [{ text = \"Hello\" }]   # , expect = { text = \"...\" }\n");
}

/// The folder of a library's weights: its own, one in it, or that above it.
fn weights_near(library: &Path) -> Option<PathBuf> {
    let own = library.parent()?;
    let mut below = children(own);
    // Of several folders, that which is called like the library.
    let stem = library.file_stem()?.to_string_lossy().into_owned();
    below.sort_by_key(|folder| {
        let name = folder.file_name().unwrap_or_default();
        !name.to_string_lossy().starts_with(stem.as_str())
    });
    let near = std::iter::once(own.to_owned()).chain(below);
    let mut near = near.chain(own.parent().map(Path::to_owned));
    near.find(|folder| INDEXES.iter().any(|index| folder.join(index).is_file()))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
