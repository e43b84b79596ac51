//! The Python packages that runtime members were installed from: the
//! `*.dist-info/METADATA` files beside the folders that hold them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::runtime::distribution::Distribution;
use crate::runtime::grouping::Installed;
use crate::runtime::member::Member;

/// Folders above a library in which its package may be named:
/// `site-packages/tvm/lib/libtvm_runtime.so` is three below.
const LEVELS: usize = 3;
/// Bytes of a METADATA file that are read; the header fields come first.
const MAX_METADATA: u64 = 256 << 10;

/// The folders in which the packages of the members may be named.
pub(super) fn folders(members: &[Member]) -> BTreeSet<PathBuf> {
    members
        .iter()
        .filter(|member| !member.path.is_member())
        .flat_map(|member| member.path.path().ancestors().skip(1).take(LEVELS))
        .map(Path::to_owned)
        .collect()
}

/// The TVM packages that some folders name.
pub(super) fn named_in(folders: &BTreeSet<PathBuf>) -> Vec<Installed> {
    let mut found: Vec<Installed> = folders
        .iter()
        .flat_map(|folder| in_folder(folder))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn in_folder(folder: &Path) -> Vec<Installed> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| is_tvm_dist_info(path))
        .filter_map(|path| installed(path.join("METADATA")))
        .collect()
}

fn is_tvm_dist_info(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "dist-info")
        && path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.contains("tvm") || name.starts_with("mlc_"))
}

fn installed(path: PathBuf) -> Option<Installed> {
    let mut text = String::new();
    File::open(&path)
        .ok()?
        .take(MAX_METADATA)
        .read_to_string(&mut text)
        .ok()?;
    Some(Installed {
        distribution: Distribution::parse(&text)?,
        path: Place::file(path),
    })
}
