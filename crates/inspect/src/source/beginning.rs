//! The beginning of a file that is read and not mapped: what packages say of themselves,
//! Python sources.

use std::fs::File;
use std::io::Read;
use std::path::Path;

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
pub(crate) fn beginning(path: &Path, most: u64) -> Option<String> {
    let text = String::from_utf8(first_bytes(path, most)?);
    Some(text.unwrap_or_else(|read| String::from_utf8_lossy(read.as_bytes()).into_owned()))
}
