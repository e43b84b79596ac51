//! Files that are read and not mapped, and lists of folders: what packages say of themselves,
//! Python sources.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// At most so many bytes of a file; `None` where it is no plain file, as a pipe is, whose
/// opening would wait for another program.
pub(crate) fn first_bytes(path: &Path, most: u64) -> Option<Vec<u8>> {
    let there = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    let length = there.len().min(most).saturating_add(1);
    let mut read = Vec::with_capacity(usize::try_from(length).ok()?);
    let file = File::open(path).ok()?;
    file.take(most).read_to_end(&mut read).ok()?;
    Some(read)
}

/// The same as text.
pub fn beginning(path: &Path, most: u64) -> Option<String> {
    let text = String::from_utf8(first_bytes(path, most)?);
    Some(text.unwrap_or_else(|read| String::from_utf8_lossy(read.as_bytes()).into_owned()))
}

/// What is directly in a folder, sorted; nothing where it is none.
pub fn children(folder: &Path) -> Vec<PathBuf> {
    // The folder of `x.dll` is the one where paths start.
    let is_here = folder.as_os_str().is_empty();
    let read = std::fs::read_dir(if is_here { Path::new(".") } else { folder });
    let entries = read.into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries
        .map(|entry| folder.join(entry.file_name()))
        .collect();
    all.sort();
    all
}
