//! Finds a runtime's libraries and headers below the paths that are given.
//!
//! Layouts known: wheels (`tvm/lib`, `tvm_ffi/lib`, `include` beside them),
//! `site-packages` that holds both, checkouts (`build/`, `3rdparty/tvm-ffi`),
//! and single files. Libraries are read, never loaded.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::source::Spelled as _;

use object::{Architecture, BinaryFormat, Object as _, ReadCache};
use walkdir::WalkDir;

use super::error::ShimError;
use super::target::ShimTarget;
use crate::io_error::{self, io};

/// Depth of the search below a folder: `site-packages/tvm/3rdparty/…` is deeper
/// than any library or header that matters.
const MAX_DEPTH: usize = 6;

/// A library of the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLibrary {
    /// Where it is.
    pub path: PathBuf,
    /// Its SONAME or install name: what the shim will ask the loader for.
    pub name: String,
    /// The system it is for.
    pub target: ShimTarget,
}

/// The parts of a runtime that a shim is linked to and compiled against.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// libtvm_ffi.
    pub ffi: RuntimeLibrary,
    /// libtvm_runtime, or libtvm where that holds the runtime.
    pub runtime: RuntimeLibrary,
    /// libtvm_runtime_metal, where there is one.
    pub metal: Option<RuntimeLibrary>,
    /// The folders to search for `tvm/…` and `dlpack/…` headers.
    pub include_dirs: Vec<PathBuf>,
}

impl Runtime {
    /// The folders of the libraries, without repeats.
    pub fn library_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        for library in [Some(&self.runtime), Some(&self.ffi), self.metal.as_ref()] {
            let dir = library
                .and_then(|library| library.path.parent())
                .map(Path::to_owned);
            if let Some(dir) = dir.filter(|dir| !dirs.contains(dir)) {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// The text of a header, by its include path.
    pub fn header(&self, name: &'static str) -> Option<PathBuf> {
        self.include_dirs
            .iter()
            .map(|dir| dir.join(name))
            .find(|path| path.is_file())
    }
}

/// Libraries and include folders seen so far.
#[derive(Default)]
struct Seen {
    libraries: Vec<PathBuf>,
    /// Whether there are libraries of a runtime for Windows.
    has_dlls: bool,
    include_dirs: Vec<PathBuf>,
}

/// Finds the runtime below `paths`.
pub fn find(paths: &[PathBuf], wanted: Option<ShimTarget>) -> Result<Runtime, ShimError> {
    let mut seen = Seen::default();
    for path in paths {
        look(path, &mut seen)?;
    }
    let searched = paths
        .iter()
        .map(|path| path.spelled())
        .collect::<Vec<_>>()
        .join(", ");
    let has_dlls = seen.has_dlls;
    let missing = |what: &str| match has_dlls {
        true => ShimError::Windows {
            searched: searched.clone(),
        },
        false => ShimError::MissingLibrary {
            what: what.to_owned(),
            searched: searched.clone(),
        },
    };
    // libtvm of 0.22 and 0.23 holds the runtime and is what Python loads.
    let runtime = one(&seen, &["libtvm", "libtvm_runtime"], wanted)?
        .ok_or_else(|| missing("libtvm_runtime"))?;
    if !seen
        .libraries
        .iter()
        .any(|path| stem_is(path, "libtvm_ffi"))
    {
        // The neighbour package of a wheel's tvm/lib.
        for path in with_real(&runtime.path) {
            if let Some(packages) = path.ancestors().nth(3) {
                look(&packages.join("tvm_ffi"), &mut seen)?;
            }
        }
    }
    let ffi =
        one(&seen, &["libtvm_ffi"], Some(runtime.target))?.ok_or_else(|| missing("libtvm_ffi"))?;
    let metal = one(&seen, &["libtvm_runtime_metal"], Some(runtime.target))?;
    Ok(Runtime {
        ffi,
        runtime,
        metal,
        include_dirs: seen.include_dirs,
    })
}

fn look(path: &Path, seen: &mut Seen) -> Result<(), ShimError> {
    if path.is_file() {
        add_library(path, seen);
        return Ok(());
    }
    let walk = WalkDir::new(path).max_depth(MAX_DEPTH).sort_by_file_name();
    // Environments and stores of packages are made of links.
    let mut walk = walk.follow_links(true).into_iter();
    let mut entered = HashSet::new();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if leads_nowhere(&error) => continue,
            Err(error) => return Err(io_error::walk(path, error).into()),
        };
        let name = entry.file_name().to_string_lossy();
        seen.has_dlls |= name.starts_with("tvm") && name.ends_with(".dll");
        if entry.file_type().is_dir() {
            // A folder that several links lead to is looked at once.
            let mut is_new =
                || fs::canonicalize(entry.path()).is_ok_and(|real| entered.insert(real));
            if is_debug_data(entry.path()) || !is_new() {
                walk.skip_current_dir();
            } else if name == "lib" || name == "build" {
                add_includes_beside(entry.path(), seen);
            }
        } else if entry.file_type().is_file()
            && name.starts_with("libtvm")
            && (name.ends_with(".so") || name.ends_with(".dylib"))
        {
            add_library(entry.path(), seen);
        }
    }
    add_includes(path, seen);
    Ok(())
}

/// A .dSYM folder has a file of the library's name that holds debug data only.
fn is_debug_data(folder: &Path) -> bool {
    folder.extension().is_some_and(|suffix| suffix == "dSYM")
}

/// The guessed neighbour of a wheel need not be there; links may lead to nothing, in a
/// circle or to what cannot be read.
fn leads_nowhere(error: &walkdir::Error) -> bool {
    let is_absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    error.io_error().is_some_and(is_absent) || error.path().is_some_and(Path::is_symlink)
}

/// A path, and where links lead it.
fn with_real(path: &Path) -> Vec<PathBuf> {
    let real = fs::canonicalize(path).ok();
    let mut paths = vec![path.to_owned()];
    paths.extend(real.filter(|real| real != path));
    paths
}

/// A library with the headers of its package, such as a wheel's.
fn add_library(path: &Path, seen: &mut Seen) {
    for file in with_real(path) {
        if let Some(folder) = file.parent() {
            add_includes_beside(folder, seen);
        }
    }
    seen.libraries.push(path.to_owned());
}

/// A wheel's lib folder and a checkout's build folder have the headers beside them.
fn add_includes_beside(folder: &Path, seen: &mut Seen) {
    for folder in with_real(folder) {
        if let Some(package) = folder.parent() {
            add_includes(package, seen);
        }
    }
}

fn add_includes(package: &Path, seen: &mut Seen) {
    let folders = [
        "include",
        "3rdparty/dlpack/include",
        "3rdparty/tvm-ffi/include",
        "3rdparty/tvm-ffi/3rdparty/dlpack/include",
    ];
    for folder in folders {
        let dir = package.join(folder);
        if (dir.join("tvm").is_dir() || dir.join("dlpack").is_dir())
            && !seen.include_dirs.iter().any(|known| same_file(known, &dir))
        {
            seen.include_dirs.push(dir);
        }
    }
}

fn stem_is(path: &Path, stem: &str) -> bool {
    path.file_stem().is_some_and(|found| found == stem)
}

/// The one library with the first of these stems that occurs.
fn one(
    seen: &Seen,
    stems: &[&str],
    wanted: Option<ShimTarget>,
) -> Result<Option<RuntimeLibrary>, ShimError> {
    for stem in stems {
        let mut found = Vec::new();
        let mut other = None;
        for path in seen.libraries.iter().filter(|path| stem_is(path, stem)) {
            let library = read(path)?;
            if wanted.is_none_or(|wanted| wanted == library.target) {
                // The same file can be reached by two of the paths given.
                let known = |known: &RuntimeLibrary| same_file(&known.path, &library.path);
                if !found.iter().any(known) {
                    found.push(library);
                }
            } else {
                other = Some(library);
            }
        }
        match (found.len(), other, wanted) {
            (0, None, _) => {}
            (0, Some(library), Some(wanted)) => {
                return Err(ShimError::WrongTarget {
                    path: library.path,
                    found: library.target.to_string(),
                    wanted: wanted.to_string(),
                });
            }
            (1, ..) => return Ok(found.pop()),
            _ => {
                let paths: Vec<String> =
                    found.iter().map(|library| library.path.spelled()).collect();
                return Err(ShimError::SeveralLibraries {
                    what: (*stem).to_owned(),
                    found: paths.join(", "),
                });
            }
        }
    }
    Ok(None)
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Reads a library's target and name.
fn read(path: &Path) -> Result<RuntimeLibrary, ShimError> {
    let file = fs::File::open(path).map_err(io(path, "cannot read the file"))?;
    let bad = |reason: String| ShimError::BadLibrary {
        path: path.to_owned(),
        reason,
    };
    // Reads the tables that are asked for, not the whole library.
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache)
        .map_err(|error| bad(format!("expected an ELF or Mach-O library: {error}")))?;
    let target = match (file.format(), file.architecture()) {
        (BinaryFormat::Elf, Architecture::X86_64) => ShimTarget::LinuxX86_64,
        (BinaryFormat::Elf, Architecture::Aarch64) => ShimTarget::LinuxAarch64,
        (BinaryFormat::MachO, Architecture::Aarch64) => ShimTarget::MacosArm64,
        (format, architecture) => {
            return Err(bad(format!(
                "is {format:?} for {architecture:?}; shims exist for ELF x86-64, ELF AArch64 and \
                 Mach-O arm64"
            )));
        }
    };
    if stem_is(path, "libtvm_ffi") {
        let symbol = "TVMFFIFunctionSetGlobal";
        let name = match file.format() {
            BinaryFormat::MachO => format!("_{symbol}"),
            _ => symbol.to_owned(),
        };
        let mut exports = file.exports().into_iter().flatten().flatten();
        if !exports.any(|export| export.name().into_name() == Some(name.as_bytes())) {
            return Err(ShimError::TooOld {
                path: path.to_owned(),
                symbol,
            });
        }
    }
    let leaf = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(RuntimeLibrary {
        path: path.to_owned(),
        name: leaf,
        target,
    })
}
