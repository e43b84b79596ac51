//! `--runtime`: a release, a saved profile, real files, or what is installed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use artcheck_inspect::container::BinaryKind;
use artcheck_inspect::runtime::glue::{self, Glue};
use artcheck_inspect::runtime::grouping::Joined;
use artcheck_inspect::runtime::table::Table;
use artcheck_inspect::runtime::{RuntimeProfile, glue_source, history, release};
use artcheck_inspect::scan::{self, GivenRuntime};
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::{Artifact, Role};

use crate::installed;

/// Takes the releases from a file of the form of `crates/inspect/data/releases.toml`.
pub fn use_table(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.spelled())?;
    let rows: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.spelled()))?;
    let table = Table::parse(&serde_json::to_string(&rows)?).with_context(|| path.spelled())?;
    if release::use_table(table).is_err() {
        bail!("a release table is in use already");
    }
    Ok(())
}

/// Releases that are named where one is not known.
const NEWEST: usize = 3;

/// Files that are named where none holds a runtime that was read.
const MAX_UNREAD: usize = 8;

/// Runtimes, each with what the user called it.
pub type Named = Vec<(String, GivenRuntime)>;

/// Every runtime the user named, in order; a name may be a list with commas.
pub fn resolve_all(names: &[String]) -> anyhow::Result<Named> {
    let mut runtimes = Vec::new();
    for list in names {
        let names: Vec<&str> = if Path::new(list).exists() {
            vec![list]
        } else {
            let names = list.split(',').map(str::trim);
            names.filter(|name| !name.is_empty()).collect()
        };
        if names.is_empty() {
            bail!("--runtime is empty: an unset variable, perhaps");
        }
        for name in names {
            let found = resolve(name)?.into_iter();
            runtimes.extend(found.map(|runtime| (name.to_owned(), runtime)));
        }
    }
    Ok(runtimes)
}

/// The one runtime a name stands for.
pub fn resolve_one(name: &str) -> anyhow::Result<GivenRuntime> {
    let mut found = resolve(name)?;
    match (found.len(), found.pop()) {
        (1, Some(runtime)) => Ok(runtime),
        (count, _) => bail!("{name} holds {count} runtimes: name the folder of one"),
    }
}

/// The one runtime that a name stands for, or that several paths hold together.
pub fn resolve_parts(names: &[String]) -> anyhow::Result<GivenRuntime> {
    if let [name] = names {
        return resolve_one(name);
    }
    if let Some(name) = names.iter().find(|name| is_known(name)) {
        bail!("{name} is a whole runtime: this takes one runtime, or the parts of one");
    }
    let paths: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    if let Some(path) = paths.iter().find(|path| !path.exists()) {
        bail!(no_runtime(&path.to_string_lossy()));
    }
    let mut found = of_files(&paths)?;
    match (found.len(), found.pop()) {
        (1, Some(runtime)) => Ok(runtime),
        (count, _) => bail!(
            "{} hold {count} runtimes: name the parts of one",
            names.join(", ")
        ),
    }
}

/// The runtimes that some files and folders hold together.
pub fn of_files(paths: &[PathBuf]) -> anyhow::Result<Vec<GivenRuntime>> {
    of_parts(paths, &Joined::new())
}

/// The same, with folders that are one environment with another.
fn of_parts(paths: &[PathBuf], joined: &Joined) -> anyhow::Result<Vec<GivenRuntime>> {
    let neighbours = paths.iter().filter_map(|path| neighbour(path));
    let with: Vec<PathBuf> = paths.iter().cloned().chain(neighbours).collect();
    let found = scan::runtimes_of(&with, joined);
    if found.load_sets.is_empty() {
        bail!(nothing_in(paths, &found.unread));
    }
    let given = found.load_sets.into_iter().map(|load_set| GivenRuntime {
        profile: load_set.profile.clone(),
        load_set: Some(load_set),
    });
    Ok(given.collect())
}

/// Why some paths hold no runtime that is known. One may be in what was not read.
fn nothing_in(paths: &[PathBuf], unread: &[Artifact]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.spelled()).collect();
    let names = names.join(", ");
    if unread.is_empty() {
        let package = paths.iter().find_map(|path| package_of_script(path));
        return match package {
            Some(folder) => format!(
                "no TVM runtime in {names}: it is one file of an npm package; name the package's folder, {}",
                folder.spelled()
            ),
            None => format!(
                "no TVM runtime in {names}: it holds no libtvm_runtime, libtvm or libtvm_ffi, under any name"
            ),
        };
    }
    let of_file = |one: &Artifact| {
        let problems = one.problems.iter().map(|problem| problem.detail.as_str());
        format!(
            "\n{}: {}",
            one.path,
            problems.collect::<Vec<&str>>().join("; ")
        )
    };
    let shown: String = unread.iter().take(MAX_UNREAD).map(of_file).collect();
    let more = match unread.len().saturating_sub(MAX_UNREAD) {
        0 => String::new(),
        more => format!("\n{more} more files were not read"),
    };
    format!("no TVM runtime was found in {names}, and not all of it was read{shown}{more}")
}

/// The folder of the npm package that a script is of.
fn package_of_script(path: &Path) -> Option<&Path> {
    let is_script = path
        .extension()
        .is_some_and(|suffix| ["js", "mjs", "cjs"].iter().any(|known| suffix == *known));
    let mut folders = path.ancestors().skip(1).filter(|_| is_script);
    folders.find(|folder| folder.join("package.json").is_file())
}

/// The package `tvm_ffi` beside the package `tvm` of an environment: the one is no
/// runtime without the other.
fn neighbour(path: &Path) -> Option<PathBuf> {
    let is_package = |folder: &&Path| {
        let mut names = folder.iter().rev();
        let is_tvm = names.next().is_some_and(|name| name == "tvm");
        let site = names.next();
        is_tvm && site.is_some_and(|name| name == "site-packages" || name == "dist-packages")
    };
    let beside = |path: &Path| {
        let package = path.ancestors().find(is_package)?;
        let beside = package.with_file_name("tvm_ffi");
        beside.is_dir().then_some(beside)
    };
    // Python follows links to a package; an environment may consist of links to files.
    let real = |path: &Path| beside(&path.canonicalize().ok()?);
    beside(path)
        .or_else(|| real(path))
        .or_else(|| real(path.parent()?))
}

/// What the libraries named by `--with` are.
pub fn loaded_first(files: &[PathBuf]) -> anyhow::Result<Vec<Artifact>> {
    let mut libraries = Vec::new();
    for file in files {
        file.symlink_metadata().with_context(|| file.spelled())?;
        let found = scan::loaded_by(file);
        // What it needs is loaded with it.
        let own = |artifact: &&Artifact| artifact.path.path().file_name() == file.file_name();
        let is_part = found
            .iter()
            .filter(own)
            .any(|artifact| artifact.role == Role::RuntimePart);
        let is_library = |artifact: &Artifact| {
            let binary = artifact.binary.as_ref();
            binary.is_some_and(|binary| binary.kind == BinaryKind::SharedLibrary)
        };
        if is_part {
            bail!(
                "{} is part of a runtime: name it with --runtime",
                file.spelled()
            );
        }
        if !found.iter().filter(own).any(is_library) {
            bail!("{} is not a shared library", file.spelled());
        }
        libraries.extend(found);
    }
    Ok(libraries)
}

/// The runtimes one name stands for: a release, or else what a path holds, which
/// may be several load sets. A folder that is called as a release is needs `./`.
pub fn resolve(name: &str) -> anyhow::Result<Vec<GivenRuntime>> {
    if let Some(profile) = release::by_name(name) {
        return Ok(vec![known(profile.clone())]);
    }
    if let Some(glue) = glue::by_name(name) {
        return Ok(vec![page(name, glue.clone())]);
    }
    let path = Path::new(name);
    if name == "installed" && !path.exists() {
        return match installed::active() {
            Some(parts) => of_parts(&parts.paths, &parts.joined).map(|mut found| {
                let machine = Arc::new(installed::machine());
                for set in found.iter_mut().filter_map(|one| one.load_set.as_mut()) {
                    set.machine = Some(machine.clone());
                }
                found
            }),
            None => bail!(
                "no TVM is installed: looked in VIRTUAL_ENV, CONDA_PREFIX, UV_PROJECT_ENVIRONMENT, ./.venv and the Python on PATH"
            ),
        };
    }
    if !path.exists() {
        let folders: Vec<PathBuf> = std::env::split_paths(name).collect();
        if let [_, _, ..] = folders.as_slice()
            && folders.iter().all(|folder| folder.is_dir())
        {
            let parts = installed::in_folders(&folders);
            return of_parts(&parts.paths, &parts.joined);
        }
        bail!(no_runtime(name));
    }
    match saved(path)? {
        Some(profile) => Ok(vec![known(profile)]),
        None => match pages(path)? {
            pages if pages.is_empty() => of_files(&[path.to_owned()]),
            pages => Ok(pages),
        },
    }
}

/// Whether a name is that of a release.
pub fn is_release(name: &str) -> bool {
    release::by_name(name).is_some()
}

/// Whether a name is taken for something else than a file of that name.
pub fn is_known(name: &str) -> bool {
    is_release(name) || glue::by_name(name).is_some()
}

fn known(profile: RuntimeProfile) -> GivenRuntime {
    GivenRuntime {
        profile,
        load_set: None,
    }
}

/// A profile that `artcheck runtime --save` wrote, whatever the file is called.
fn saved(path: &Path) -> anyhow::Result<Option<RuntimeProfile>> {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    if !path.is_file() {
        return Ok(None);
    }
    let mut first = [0];
    let read = File::open(path).and_then(|mut file| file.read(&mut first));
    if !(is_json || (read.is_ok_and(|read| read == 1) && first == *b"{")) {
        return Ok(None);
    }
    let name = || path.spelled();
    let text = std::fs::read_to_string(path).with_context(name)?;
    RuntimeProfile::from_json(&text)
        .map(Some)
        .with_context(name)
}

/// Why a name is no runtime, and which one may have been meant.
fn no_runtime(name: &str) -> String {
    let is_path = name.contains(['/', '\\']);
    if is_path {
        return format!("no runtime `{name}`: there is no such file or folder");
    }
    if name.to_lowercase().starts_with("snapshot") {
        let mut snapshots = history::line().filter(|known| known.release.is_none());
        let first = snapshots.next().map_or("", |known| known.name.as_str());
        return format!(
            "no runtime `{name}`: snapshots go by the day or the month, from {first} on; from 0.20 \
             on only the days are known on which something changed that breaks"
        );
    }
    let releases = release::releases().iter().map(|known| &known.name);
    let packages = glue::packages().iter().flat_map(|row| &row.packages);
    let lower = name.to_lowercase();
    let mut known = releases.chain(packages).map(String::as_str);
    let meant = match known.find(|known| is_typo(&lower, known)) {
        Some(known) => format!("; did you mean {known}?"),
        None => String::new(),
    };
    format!(
        "no runtime `{name}`{meant}\nartcheck knows no release of that name, and there is no such file or folder. \
         The newest releases are {}; `artcheck runtime` lists all. A runtime is a release, or the path of a \
         library, folder, wheel or virtual environment.",
        newest().join(", ")
    )
}

/// Whether a name is another with a slip: a letter, or two places changed. Another number
/// is another release.
fn is_typo(name: &str, known: &str) -> bool {
    let digits = |text: &str| {
        let mut digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        digits.sort_unstable();
        digits
    };
    digits(name) == digits(known) && strsim::osa_distance(name, known) <= 1
}

/// The newest releases of TVM, and the newest web-llm.
fn newest() -> Vec<&'static str> {
    let releases = release::releases().iter().rev().take(NEWEST);
    let packages = glue::packages().iter().flat_map(|row| &row.packages);
    let mut engine = packages.filter(|name| name.starts_with(glue::ENGINE));
    let names = releases.map(|known| &known.name).chain(engine.next_back());
    names.map(String::as_str).collect()
}

/// The JavaScript of npm packages: a package's folder or tarball, or a folder with
/// `node_modules`.
fn pages(path: &Path) -> anyhow::Result<Vec<GivenRuntime>> {
    let found = if path.is_file() {
        glue_source::tarball(path).into_iter().collect()
    } else {
        glue_source::installed(path)
    };
    let read = found.into_iter().map(|(name, glue)| match glue {
        Ok(glue) => Ok(page(&name, glue)),
        Err(why) => bail!("{name} in {}: {why}", path.spelled()),
    });
    read.collect()
}

fn page(name: &str, glue: Glue) -> GivenRuntime {
    known(RuntimeProfile {
        name: name.to_owned(),
        architecture: Some(String::from("wasm32")),
        os: Some(String::from("web")),
        glue: Some(Box::new(glue)),
        ..RuntimeProfile::default()
    })
}

#[cfg(test)]
mod tests {
    use super::is_typo;

    #[test]
    fn another_number_is_no_typo() {
        for (name, known, is) in [
            ("tvn-0.26", "tvm-0.26", true),
            ("tvm-0.62", "tvm-0.26", true),
            ("tvm-.026", "tvm-0.26", true),
            ("tvm-9.9", "tvm-0.19", false),
            ("tvm-0.28", "tvm-0.27", false),
            ("tvm-0.2", "tvm-0.20", false),
            ("tensor-0.26", "tvm-0.26", false),
        ] {
            assert_eq!(is_typo(name, known), is, "{name}, {known}");
        }
    }
}
