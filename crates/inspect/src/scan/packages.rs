//! The Python packages of the environments that runtime members lie in: the
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

/// The packages of some folders that are TVM's or ask for one of its.
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
        .filter(|path| path.extension().is_some_and(|end| end == "dist-info"))
        .filter_map(|path| installed(path.join("METADATA")))
        .collect()
}

fn installed(path: PathBuf) -> Option<Installed> {
    let mut bytes = Vec::new();
    let file = File::open(&path).ok()?;
    file.take(MAX_METADATA).read_to_end(&mut bytes).ok()?;
    Some(Installed {
        // A README that is cut in the middle of a letter is no reason to stop.
        distribution: Distribution::parse(&String::from_utf8_lossy(&bytes))?,
        path: Place::file(path),
    })
}
