//! Where the shared libraries of a runtime are.
//!
//! A runtime is named by one or more paths: a directory with the libraries, an
//! unpacked wheel (`tvm/lib`, `tvm_ffi/lib`), a virtual environment
//! (`lib/python3.x/site-packages/...`) or a `.whl` file, whose libraries are
//! unpacked into a temporary directory. libtvm_ffi and libtvm_runtime live in
//! different packages, so one path may not be enough.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::device::DeviceName;
use crate::error::{Error, Result};

/// Bound on what is unpacked from one wheel member: the largest library that
/// is loaded here has a few megabytes, a compiler (not loaded) has hundreds.
const MEMBER_LIMIT: u64 = 256 << 20;

/// The files of one runtime.
#[derive(Debug)]
pub struct RuntimeFiles {
    /// libtvm_ffi.
    pub ffi: PathBuf,
    /// libtvm_runtime.
    pub runtime: PathBuf,
    /// libtvm_runtime_extra, where there is one.
    pub extra: Option<PathBuf>,
    /// Where device parts are looked for.
    directories: Vec<PathBuf>,
    /// Package versions as their `dist-info` directories name them.
    pub packages: Vec<String>,
    /// Keeps what was unpacked from wheels alive.
    _unpacked: Vec<TempDir>,
}

impl RuntimeFiles {
    /// Finds the parts below the given paths.
    pub fn find(paths: &[PathBuf]) -> Result<RuntimeFiles> {
        let mut unpacked = Vec::new();
        let mut roots = Vec::new();
        for path in paths {
            if path.extension() == Some(OsStr::new("whl")) {
                let directory = unpack_wheel(path)?;
                roots.push(directory.path().to_owned());
                unpacked.push(directory);
            } else {
                roots.push(path.clone());
            }
        }
        let packages = package_names(&roots);
        let directories = library_directories(&roots);
        let required = |base: &str| {
            find_library(&directories, base).ok_or_else(|| Error::MissingPart {
                what: library_name(base),
                paths: paths.iter().map(|p| p.display().to_string()).collect(),
            })
        };
        Ok(RuntimeFiles {
            ffi: required("tvm_ffi")?,
            runtime: required("tvm_runtime")?,
            extra: find_library(&directories, "tvm_runtime_extra"),
            directories,
            packages,
            _unpacked: unpacked,
        })
    }

    /// Whether it is one for macOS that only the emulator can run here.
    pub fn emulated(&self) -> bool {
        cfg!(target_os = "linux") && self.ffi.extension().is_some_and(|e| e == "dylib")
    }

    /// The part that serves a device: none for the host.
    pub fn device_part(&self, device: DeviceName) -> Result<Option<PathBuf>> {
        // On a Mac's runtime the simulated device stands behind Metal itself.
        let device = match device.is_simulated() && self.emulated() {
            true => device.real(),
            false => device,
        };
        let Some(suffix) = device.part() else {
            return Ok(None);
        };
        let base = format!("tvm_runtime_{suffix}");
        match find_library(&self.directories, &base) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::MissingPart {
                what: library_name(&base),
                paths: self
                    .directories
                    .iter()
                    .map(|p| p.display().to_string())
                    .collect(),
            }),
        }
    }
}

/// Why rows for a device cannot run on a runtime that lacks its part.
pub(crate) fn lacks_part(device: DeviceName) -> String {
    let suffix = device.part().unwrap_or_default();
    let part = library_name(&format!("tvm_runtime_{suffix}"));
    format!("the runtime has no part for {device} ({part})")
}

/// The file name of a library on this system.
pub(crate) fn library_name(base: &str) -> String {
    if cfg!(windows) {
        format!("{base}.dll")
    } else if cfg!(target_os = "macos") {
        format!("lib{base}.dylib")
    } else {
        format!("lib{base}.so")
    }
}

fn find_library(directories: &[PathBuf], base: &str) -> Option<PathBuf> {
    // A runtime for macOS runs in the emulator, where that is built in.
    let emulated =
        cfg!(all(feature = "macho-host", target_os = "linux")).then(|| format!("lib{base}.dylib"));
    let names = [Some(library_name(base)), emulated];
    let files = names.iter().flatten();
    files
        .flat_map(|name| directories.iter().map(move |d| d.join(name)))
        .find(|p| p.is_file())
}

/// Directories below a root that may hold packages: itself and site-packages.
fn package_directories(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned(), root.join("Lib").join("site-packages")];
    for entry in entries(&root.join("lib")) {
        let is_python = entry
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(|n| n.starts_with("python"));
        if is_python {
            found.push(entry.join("site-packages"));
        }
    }
    found
}

fn library_directories(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for package in roots.iter().flat_map(|r| package_directories(r)) {
        found.push(package.join("tvm").join("lib"));
        found.push(package.join("tvm_ffi").join("lib"));
        found.push(package.join("lib"));
        found.push(package);
    }
    found.retain(|d| d.is_dir());
    found
}

fn package_names(roots: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = roots
        .iter()
        .flat_map(|r| package_directories(r))
        .flat_map(|d| entries(&d))
        .filter_map(|p| {
            let name = p.file_name()?.to_str()?.strip_suffix(".dist-info")?;
            name.starts_with("apache_tvm").then(|| name.to_owned())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    found.sort();
    found
}

/// Unpacks the runtime libraries of a wheel; the compiler stays packed.
fn unpack_wheel(path: &Path) -> Result<TempDir> {
    let malformed = |e: &dyn std::fmt::Display| Error::Malformed {
        path: path.to_owned(),
        detail: format!("not a readable wheel: {e}"),
    };
    let file = File::open(path).map_err(Error::io(path))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| malformed(&e))?;
    let directory = TempDir::new().map_err(Error::io(path))?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|e| malformed(&e))?;
        let Some(name) = member.enclosed_name() else {
            continue;
        };
        if member.size() > MEMBER_LIMIT || !wanted(&name) {
            continue;
        }
        let target = directory.path().join(&name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        let mut out = File::create(&target).map_err(Error::io(&target))?;
        io::copy(&mut io::Read::take(&mut member, MEMBER_LIMIT), &mut out)
            .map_err(Error::io(&target))?;
    }
    Ok(directory)
}

/// Runtime libraries, and one file of the `dist-info` directory for its name.
fn wanted(member: &Path) -> bool {
    let in_lib = member.parent().and_then(Path::file_name) == Some(OsStr::new("lib"));
    let name = member.file_name().and_then(OsStr::to_str).unwrap_or("");
    let library = name.contains("tvm_runtime") || name.contains("tvm_ffi.");
    (in_lib && library) || name == "WHEEL"
}
