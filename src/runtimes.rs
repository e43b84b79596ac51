//! `--runtime`: a release, a saved profile, or real files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::container::BinaryKind;
use artcheck_inspect::runtime::glue::{self, Glue};
use artcheck_inspect::runtime::table::Table;
use artcheck_inspect::runtime::{RuntimeProfile, glue_source, release};
use artcheck_inspect::scan::{self, GivenRuntime};
use artcheck_inspect::{Artifact, Role};

/// Takes the releases from a file of the form of `crates/inspect/data/releases.toml`.
pub fn use_table(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let rows: toml::Table = text
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))?;
    let table =
        Table::parse(&serde_json::to_string(&rows)?).with_context(|| path.display().to_string())?;
    if release::use_table(table).is_err() {
        bail!("a release table is in use already");
    }
    Ok(())
}

/// Every runtime the user named, in order.
pub fn resolve_all(names: &[String]) -> anyhow::Result<Vec<GivenRuntime>> {
    let mut runtimes = Vec::new();
    for name in names {
        runtimes.extend(resolve(name)?);
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

/// The runtimes that some files and folders hold together.
pub fn of_files(paths: &[PathBuf]) -> anyhow::Result<Vec<GivenRuntime>> {
    let load_sets = scan::runtimes_below(paths);
    if load_sets.is_empty() {
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!(
            "{}: no TVM runtime below it (looked for libtvm_runtime, libtvm, libtvm_ffi by what they define)",
            names.join(", ")
        );
    }
    let given = load_sets.into_iter().map(|load_set| GivenRuntime {
        profile: load_set.profile.clone(),
        load_set: Some(load_set),
    });
    Ok(given.collect())
}

/// What the libraries named by `--with` are.
pub fn loaded_first(files: &[PathBuf]) -> anyhow::Result<Vec<Artifact>> {
    let mut libraries = Vec::new();
    for file in files {
        file.symlink_metadata()
            .with_context(|| file.display().to_string())?;
        let found = scan::artifacts_of(file);
        let is_part = found
            .iter()
            .any(|artifact| artifact.role == Role::RuntimePart);
        let is_library = |artifact: &Artifact| {
            let binary = artifact.binary.as_ref();
            binary.is_some_and(|binary| binary.kind == BinaryKind::SharedLibrary)
        };
        if is_part {
            bail!(
                "{} is part of a runtime: name it with --runtime",
                file.display()
            );
        }
        if !found.iter().any(is_library) {
            bail!("{} is not a shared library", file.display());
        }
        libraries.extend(found);
    }
    Ok(libraries)
}

/// The runtimes one name stands for: a directory may hold several load sets.
pub fn resolve(name: &str) -> anyhow::Result<Vec<GivenRuntime>> {
    let path = Path::new(name);
    if !path.exists() {
        if let Some(glue) = glue::by_name(name) {
            return Ok(vec![page(name, glue.clone())]);
        }
        return match release::by_name(name) {
            Some(profile) => Ok(vec![GivenRuntime {
                profile: profile.clone(),
                load_set: None,
            }]),
            None => bail!(
                "no runtime `{name}`: neither a file, nor a directory, nor one of the known releases ({})",
                release::releases()
                    .iter()
                    .map(|profile| profile.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
    }
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let text = std::fs::read_to_string(path).with_context(|| name.to_owned())?;
        let profile = RuntimeProfile::from_json(&text)
            .with_context(|| format!("{name} is not a saved profile"))?;
        return Ok(vec![GivenRuntime {
            profile,
            load_set: None,
        }]);
    }
    let pages = pages(path)?;
    if !pages.is_empty() {
        return Ok(pages);
    }
    of_files(&[path.to_owned()])
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
        Err(why) => bail!("{name} in {}: {why}", path.display()),
    });
    read.collect()
}

fn page(name: &str, glue: Glue) -> GivenRuntime {
    GivenRuntime {
        profile: RuntimeProfile {
            name: name.to_owned(),
            architecture: Some(String::from("wasm32")),
            os: Some(String::from("web")),
            glue: Some(Box::new(glue)),
            ..RuntimeProfile::default()
        },
        load_set: None,
    }
}
