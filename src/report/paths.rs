//! Display paths to files on disk, written the way repositories write them.

use std::path::{Component, Path};

use artcheck_inspect::source::{self, Controls};

/// A file with forward slashes, relative to `base` where it lies below it. Bytes
/// that are no text are written out.
pub fn file_of(file: &Path, base: &Path) -> String {
    let relative = file.strip_prefix(base).unwrap_or(file);
    let mut text = String::new();
    for component in relative.components() {
        let name = match component {
            Component::CurDir => continue,
            Component::RootDir => {
                text.push('/');
                continue;
            }
            other => other.as_os_str().as_encoded_bytes(),
        };
        if !text.is_empty() && !text.ends_with('/') {
            text.push('/');
        }
        let _ = source::spell(name, Controls::Kept, &mut text);
    }
    text
}

/// Percent-encodes a file of [`file_of`] as a relative URI reference.
pub fn uri(file: &str) -> String {
    let mut out = String::new();
    for byte in source::unspell(file) {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_relative_to_the_working_directory() {
        let base = Path::new("/srv/build");
        let file_of = |file: &str| file_of(Path::new(file), base);
        assert_eq!(file_of("/srv/build/dist/m.tar"), "dist/m.tar");
        assert_eq!(file_of("./dist/m.dylib"), "dist/m.dylib");
        assert_eq!(file_of("/opt/m.so"), "/opt/m.so");
        assert_eq!(file_of("../a!b (2)/m\n.so"), "../a!b (2)/m\n.so");
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_leads_back_to_its_file() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"m\xff\\x{fe}.so");
        let file = file_of(Path::new(name), Path::new("/"));
        assert_eq!(file, r"m\x{ff}\u{5c}x{fe}.so");
        assert_eq!(source::unspell(&file), name.as_bytes());
        assert_eq!(uri(&file), "m%FF%5Cx%7Bfe%7D.so");
    }

    #[test]
    fn uris_hold_no_space_or_percent() {
        assert_eq!(uri("a b/50%.so"), "a%20b/50%25.so");
    }
}
