//! Images of containers as folders: an OCI layout as skopeo and buildx write it, and a
//! `docker save` that was unpacked. What they hold is what their tars hold.

use std::path::Path;

use walkdir::WalkDir;

use super::beginning::first_bytes;
use super::image::{self, Files};
use super::map::{self, FileBytes};
use crate::container::Visit;
use crate::error::DecodeError;
use crate::limits::{MAX_MEMBERS, MAX_METADATA};

/// What tells that a folder is an image: the mark of an OCI layout, and the list of a
/// `docker save`.
const MARKS: [&str; 2] = ["oci-layout", "manifest.json"];

/// An image whose files are open.
pub(super) struct ImageFolder {
    files: Vec<(Vec<u8>, FileBytes)>,
    links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of all files.
    pub(super) size: u64,
}

/// Whether a file of this name may tell that the folder around it is an image.
pub(super) fn is_mark(name: &std::ffi::OsStr) -> bool {
    MARKS.iter().any(|mark| name == *mark)
}

/// Whether a folder is an image.
pub(super) fn is_image(folder: &Path) -> bool {
    let [mark, list] = MARKS.map(|name| folder.join(name));
    let is_layout =
        mark.is_file() && folder.join("index.json").is_file() && folder.join("blobs").is_dir();
    is_layout || {
        let list = first_bytes(&list, MAX_METADATA as u64).unwrap_or_default();
        let layers = image::saved_layers(&list).unwrap_or_default();
        layers
            .first()
            .is_some_and(|layer| folder.join(layer).exists())
    }
}

/// The size of a file, or of all files of an image.
pub(crate) fn size_of(path: &Path) -> Option<u64> {
    let there = std::fs::metadata(path).ok()?;
    if there.is_file() {
        return Some(there.len());
    }
    let files = WalkDir::new(path).into_iter().filter_map(Result::ok);
    let sizes = files.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    Some(sizes.fold(0, u64::saturating_add))
}

impl ImageFolder {
    /// Opens the files of an image; `None` where a folder is none, or one cannot be read.
    pub(super) fn open(folder: &Path) -> Option<Self> {
        let mut all = Self {
            files: Vec::new(),
            links: Vec::new(),
            size: 0,
        };
        if !is_image(folder) {
            return None;
        }
        for entry in WalkDir::new(folder).into_iter().take(MAX_MEMBERS) {
            let entry = entry.ok()?;
            let below = entry.path().strip_prefix(folder).ok()?;
            let name = below.to_string_lossy().replace('\\', "/").into_bytes();
            if entry.path_is_symlink() {
                let target = std::fs::read_link(entry.path()).ok()?;
                all.links
                    .push((name, target.into_os_string().into_encoded_bytes()));
            } else if entry.file_type().is_file() {
                let bytes = map::open(entry.path()).ok()?;
                all.size = all.size.saturating_add(bytes.len() as u64);
                all.files.push((name, bytes));
            }
        }
        Some(all)
    }

    /// Hands out the files that a container of the image has.
    pub(super) fn members<'data>(&'data self, visit: Visit<'_, 'data>) -> Result<(), DecodeError> {
        let mut files = Files::default();
        for (name, bytes) in &self.files {
            files.add(name, bytes);
        }
        for (name, target) in &self.links {
            files.add_link(name, target);
        }
        image::of_files(&files, self.size, visit)
    }
}
