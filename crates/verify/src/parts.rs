//! Where the shared libraries of a runtime are.
//!
//! A runtime is named by one or more paths: a directory with the libraries, an
//! unpacked wheel (`tvm/lib`, `tvm_ffi/lib`), a virtual environment
//! (`lib/python3.x/site-packages/...`) or a `.whl` file, whose libraries are
//! unpacked into a temporary directory. libtvm_ffi and libtvm_runtime live in
//! different packages: two paths, or a folder with the two unpacked wheels.

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
                what: library_names(base).join(" or "),
                paths: paths.iter().map(|p| p.display().to_string()).collect(),
                instead: of_other_system(&directories, base),
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
                instead: of_other_system(&self.directories, &base),
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

/// The names of a library that can be loaded here.
fn library_names(base: &str) -> Vec<String> {
    // A runtime for macOS runs in the emulator, where that is built in.
    let emulated =
        cfg!(all(feature = "macho-host", target_os = "linux")).then(|| format!("lib{base}.dylib"));
    [Some(library_name(base)), emulated]
        .into_iter()
        .flatten()
        .collect()
}

fn find_library(directories: &[PathBuf], base: &str) -> Option<PathBuf> {
    named(directories, &library_names(base))
}

fn named(directories: &[PathBuf], names: &[String]) -> Option<PathBuf> {
    let mut files = names
        .iter()
        .flat_map(|name| directories.iter().map(move |d| d.join(name)));
    files.find(|p| p.is_file())
}

/// What is there of a library that cannot be loaded here, as a part of a message.
fn of_other_system(directories: &[PathBuf], base: &str) -> String {
    let names = ["so", "dylib"].map(|end| format!("lib{base}.{end}"));
    let names = [&names[..], &[format!("{base}.dll")]].concat();
    match named(directories, &names) {
        Some(other) => format!("; {} is for another system", other.display()),
        None => String::new(),
    }
}

/// The unpacked wheels of TVM and of tvm-ffi that lie side by side in a folder, if they
/// are one of each.
fn side_by_side(folder: &Path) -> Vec<PathBuf> {
    let wheels = entries(folder);
    let of = |package: &str| {
        let holds = |wheel: &&PathBuf| wheel.join(package).join("lib").is_dir();
        wheels.iter().filter(holds).cloned().collect::<Vec<_>>()
    };
    let both = [of("tvm"), of("tvm_ffi")];
    match both.iter().all(|found| found.len() == 1) {
        true => both.concat(),
        false => Vec::new(),
    }
}

/// Directories below a root that may hold packages: itself and site-packages, or two
/// unpacked wheels.
fn package_directories(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned(), root.join("Lib").join("site-packages")];
    found.extend(side_by_side(root));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, file: &str) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, "").expect("written");
    }

    fn found(folder: &Path) -> Result<RuntimeFiles, String> {
        RuntimeFiles::find(&[folder.to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn two_unpacked_wheels_side_by_side_are_one_runtime() {
        let top = TempDir::new().expect("a folder");
        let top = top.path();
        let (ffi, runtime) = (library_name("tvm_ffi"), library_name("tvm_runtime"));
        put(top, &format!("tvm-1/tvm/lib/{runtime}"));
        let said = found(top).expect_err("tvm-ffi is not there");
        assert!(said.starts_with(&format!("no {ffi}")), "{said}");
        put(top, &format!("ffi-1/tvm_ffi/lib/{ffi}"));
        let files = found(top).expect("both are there");
        assert_eq!(files.ffi, top.join("ffi-1/tvm_ffi/lib").join(&ffi));
        assert_eq!(files.runtime, top.join("tvm-1/tvm/lib").join(&runtime));
        // Of several none is meant.
        put(top, &format!("tvm-2/tvm/lib/{runtime}"));
        assert!(found(top).is_err());
        let others = top.join("others");
        put(&others, "tvm_ffi/lib/tvm_ffi.dll");
        put(&others, "tvm_ffi/lib/libtvm_ffi.so.1");
        if !cfg!(windows) {
            let said = found(&others).expect_err("that of Windows");
            assert!(said.contains("tvm_ffi.dll is for another system"), "{said}");
        }
    }
}
