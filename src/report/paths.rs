//! Display paths to files on disk, written the way repositories write them.

use std::path::{Component, Path};

/// The file that a display path lies in: without archive members and slices,
/// with forward slashes, relative to `base` where it lies below it.
pub fn file_of(display: &str, base: &Path) -> String {
    let path = on_disk(display, base);
    let relative = Path::new(path)
        .strip_prefix(base)
        .unwrap_or(Path::new(path));
    let parts: Vec<String> = relative
        .components()
        .filter_map(|component| match component {
            Component::CurDir => None,
            Component::RootDir => Some(String::new()),
            other => Some(other.as_os_str().to_string_lossy().into_owned()),
        })
        .collect();
    parts.join("/")
}

/// `!` and ` (` may stand in a name, so what exists on disk decides.
fn on_disk<'a>(display: &'a str, base: &Path) -> &'a str {
    if !display.contains(['!', '(']) {
        return display;
    }
    let ends = display
        .char_indices()
        .filter(|(at, c)| *c == '!' || display[*at..].starts_with(" ("))
        .map(|(at, _)| at)
        .chain([display.len()]);
    let mut first = None;
    for end in ends {
        let candidate = &display[..end];
        if base.join(candidate).is_file() {
            return candidate;
        }
        first.get_or_insert(candidate);
    }
    first.unwrap_or(display)
}

/// Percent-encodes a path as a relative URI reference.
pub fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
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
    fn members_and_slices_belong_to_their_file() {
        let base = Path::new("/srv/build");
        assert_eq!(file_of("/srv/build/dist/m.tar!lib0.o", base), "dist/m.tar");
        assert_eq!(file_of("./dist/m.dylib (aarch64)", base), "dist/m.dylib");
        assert_eq!(file_of("/opt/m.so", base), "/opt/m.so");
        assert_eq!(file_of("../m.so", base), "../m.so");
    }

    #[test]
    fn a_name_may_hold_an_exclamation_mark() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a!b.tar"), "x").unwrap();
        assert_eq!(file_of("a!b.tar!lib0.o", folder.path()), "a!b.tar");
    }

    #[test]
    fn uris_hold_no_space_or_percent() {
        assert_eq!(uri("a b/50%.so"), "a%20b/50%25.so");
    }
}
