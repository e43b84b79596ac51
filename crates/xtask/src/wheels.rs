//! The wheels of one release: which platforms they are for, the parts in them,
//! and the folder of those that can be loaded here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::runtime::member::Member;
use artcheck_inspect::runtime::table::Table;
use artcheck_inspect::scan;

/// What the wheels hold.
pub struct Wheels {
    /// `0.27`.
    pub number: String,
    /// Version of the apache-tvm wheel.
    pub tvm: String,
    /// Version of the apache-tvm-ffi wheel, where one was given.
    pub ffi: Option<String>,
    /// Parts by platform, `x86-64 linux`.
    pub platforms: BTreeMap<String, Vec<Member>>,
    /// The wheels that can be loaded here.
    pub native: Vec<PathBuf>,
}

/// Reads every wheel.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Wheels> {
    let mut platforms: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    let mut native = Vec::new();
    for path in paths {
        if !path.exists() {
            bail!("{}: no such file or folder", path.display());
        }
        let sets = scan::runtimes_below(std::slice::from_ref(path));
        if sets.is_empty() {
            bail!("{}: no part of a runtime in it", path.display());
        }
        for set in sets {
            for package in &set.distributions {
                let known = versions
                    .entry(package.name.clone())
                    .or_insert_with(|| package.version.clone());
                if *known != package.version {
                    let (name, version) = (&package.name, &package.version);
                    bail!("{name} {known} and {name} {version}: give the wheels of one release");
                }
            }
            for member in set.members {
                let platform = platform(&member.profile);
                if platform == here() && !native.contains(path) {
                    native.push(path.clone());
                }
                platforms.entry(platform).or_default().push(member);
            }
        }
    }
    let tvm = versions
        .remove("apache-tvm")
        .context("no wheel of apache-tvm among them (its dist-info names it)")?;
    let mut parts = tvm.split('.');
    let number = match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => format!("{major}.{minor}"),
        _ => bail!("apache-tvm {tvm}: not a version of a release"),
    };
    Ok(Wheels {
        number,
        tvm,
        ffi: versions.remove("apache-tvm-ffi"),
        platforms,
        native,
    })
}

fn platform(profile: &RuntimeProfile) -> String {
    let known = |word: &Option<String>| word.clone().unwrap_or_else(|| "unknown".to_owned());
    format!("{} {}", known(&profile.architecture), known(&profile.os))
}

/// The platform of this machine in the same words.
pub fn here() -> String {
    let architecture = std::env::consts::ARCH.replace('_', "-");
    format!("{architecture} {}", std::env::consts::OS)
}

/// The last profile of the table before a release: a snapshot too.
pub fn before<'t>(table: &'t Table, number: &str) -> Option<&'t RuntimeProfile> {
    let own = numbers(number);
    let until = table
        .profiles()
        .iter()
        .position(|profile| profile.release.as_deref().map(numbers) >= Some(own.clone()));
    let before = until.unwrap_or(table.profiles().len());
    let profiles = table.profiles().get(..before)?;
    profiles
        .iter()
        .rev()
        .find(|profile| profile.release.is_some())
}

fn numbers(release: &str) -> Vec<u64> {
    release
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect()
}

/// The libraries of the native wheels to load, in order, and the folder that
/// they were unpacked into.
pub fn native_libraries(
    wheels: &Wheels,
) -> anyhow::Result<(Vec<PathBuf>, Option<tempfile::TempDir>)> {
    let mut folder = None;
    let mut roots = Vec::new();
    for path in &wheels.native {
        if path.is_dir() {
            roots.push(path.clone());
            continue;
        }
        let folder = match &folder {
            Some(folder) => folder,
            None => folder.insert(tempfile::tempdir()?),
        };
        unpack(path, folder.path())?;
        if !roots.iter().any(|root| root == folder.path()) {
            roots.push(folder.path().to_owned());
        }
    }
    let mut found = Vec::new();
    for stem in ["tvm_ffi", "tvm_runtime", "tvm_runtime_extra"] {
        let name = libloading::library_filename(stem);
        let files = roots.iter().flat_map(walkdir::WalkDir::new).flatten();
        found.extend(
            files
                .filter(|file| file.file_name() == name)
                .map(walkdir::DirEntry::into_path)
                .take(1),
        );
    }
    Ok((found, folder))
}

fn unpack(wheel: &Path, folder: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(wheel).with_context(|| wheel.display().to_string())?;
    let mut archive = zip::ZipArchive::new(file).with_context(|| wheel.display().to_string())?;
    archive
        .extract(folder)
        .with_context(|| wheel.display().to_string())
}
