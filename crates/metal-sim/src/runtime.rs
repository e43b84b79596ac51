//! Finds what the plug-in is built against: headers and libraries of the wheels.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, Result};

/// How deep below a root the wheels may lie (`venv/lib/python3/site-packages/tvm/...`).
const DEPTH: usize = 12;

/// Headers and libraries of one runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeParts {
    /// The folder with `tvm/runtime/device_api.h`.
    pub tvm_include: PathBuf,
    /// The folder with `tvm/ffi/c_api.h`.
    pub ffi_include: PathBuf,
    /// libtvm_runtime.
    pub runtime: PathBuf,
    /// libtvm_ffi.
    pub ffi: PathBuf,
}

impl RuntimeParts {
    /// Looks below `roots`: virtual environments, unpacked wheels, folders of them.
    pub fn find(roots: &[PathBuf]) -> Result<RuntimeParts> {
        let mut search = Search::default();
        for root in roots {
            search.below(root);
        }
        let need = |found: Option<PathBuf>, what: &'static str| {
            found.ok_or_else(|| Error::PartMissing {
                what,
                roots: roots.to_vec(),
            })
        };
        Ok(RuntimeParts {
            tvm_include: need(search.tvm_include, "tvm/runtime/device_api.h")?,
            ffi_include: need(search.ffi_include, "tvm/ffi/c_api.h")?,
            runtime: need(search.runtime, "libtvm_runtime.so")?,
            ffi: need(search.ffi, "libtvm_ffi.so")?,
        })
    }
}

#[derive(Default)]
struct Search {
    tvm_include: Option<PathBuf>,
    ffi_include: Option<PathBuf>,
    runtime: Option<PathBuf>,
    ffi: Option<PathBuf>,
}

impl Search {
    fn below(&mut self, root: &Path) {
        let walk = WalkDir::new(root)
            .max_depth(DEPTH)
            .follow_links(false)
            .sort_by_file_name();
        for entry in walk
            .into_iter()
            .filter_entry(|e| !e.path_is_symlink())
            .flatten()
        {
            let path = entry.path();
            if path.ends_with("tvm/runtime/device_api.h") {
                keep(&mut self.tvm_include, path.ancestors().nth(3));
            } else if path.ends_with("tvm/ffi/c_api.h") {
                keep(&mut self.ffi_include, path.ancestors().nth(3));
            } else if path.ends_with("libtvm_runtime.so") {
                keep(&mut self.runtime, Some(path));
            } else if path.ends_with("libtvm_ffi.so") {
                keep(&mut self.ffi, Some(path));
            }
        }
    }
}

/// The first one found stays.
fn keep(slot: &mut Option<PathBuf>, found: Option<&Path>) {
    if slot.is_none() {
        *slot = found.map(Path::to_path_buf);
    }
}
