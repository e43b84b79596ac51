//! What a text that is written on request may replace: another text, never a library
//! or an archive.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::bail;
use artcheck_inspect::container::identify;
use artcheck_inspect::shown::shown;

/// Enough of a file to tell what it is.
const HEAD: u64 = 4096;

/// An error where the file is a library or an archive.
pub fn check(file: &Path) -> anyhow::Result<()> {
    let mut head = Vec::new();
    // What is not there, or no file, is not lost; writing tells the rest.
    if !file.metadata().is_ok_and(|facts| facts.is_file()) {
        return Ok(());
    }
    File::open(file).and_then(|file| file.take(HEAD).read_to_end(&mut head))?;
    let found = identify(&head);
    if found.is_binary() || found.is_archive() {
        bail!(
            "{} is a library or an archive: a report does not overwrite it; name another file",
            shown(&file.to_string_lossy())
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_replaces_a_text_and_no_library() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).expect("written");
            file
        };
        assert!(check(&folder.path().join("new.html")).is_ok());
        assert!(check(&write("old.json", b"{}")).is_ok());
        assert!(check(&write("empty", b"")).is_ok());
        assert!(check(Path::new("/dev/null")).is_ok());
        assert!(check(&write("a.so", b"\x7fELF\x02\x01\x01")).is_err());
        assert!(check(&write("a.wasm", b"\0asm\x01\0\0\0")).is_err());
        assert!(check(&write("a.a", b"!<arch>\n")).is_err());
    }
}
