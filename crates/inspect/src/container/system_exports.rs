//! What the C libraries of macOS and Windows export: libSystem's names, kernel32's, and those
//! of the universal C runtime and vcruntime140 (`data/macos_symbols.txt`,
//! `data/windows_symbols.txt`, made by `tools/system_symbols`).
//!
//! The lists are those of one release: a name that is on none may be in a newer system.

use super::system_symbols;
use crate::name_hash;

const MACOS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/macos_symbols.bin"));
const WINDOWS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/windows_symbols.bin"));

/// Whether macOS defines a name, which is written without its first underscore: its C
/// library, those of C++ and Objective-C as the name tells, or the Python that has loaded the
/// library.
pub(super) fn macos_defines(name: &str) -> bool {
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let plain = name.split('$').next().unwrap_or(name);
    system_symbols::is_by_form(name) || begins(&["objc_", "OBJC_"]) || name_hash::has(MACOS, plain)
}

/// Whether a library of macOS or Windows whose names are known is not known to export this
/// one; never of a number or of C++'s names.
pub(crate) fn is_unlisted(library: &str, name: &str) -> bool {
    let is_told = !name.starts_with(['#', '?']) && !name.starts_with("_Z");
    if library.starts_with("/usr/lib/libSystem.") {
        return is_told && !macos_defines(name);
    }
    let lower = library.to_ascii_lowercase();
    let is_listed = ["kernel32.dll", "ucrtbase.dll", "vcruntime140.dll"].contains(&lower.as_str())
        || lower.starts_with("api-ms-win-crt-");
    is_told && is_listed && !name_hash::has(WINDOWS, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_have_each_library() {
        for name in [
            "memcpy",
            "expf",
            "stat$INODE64",
            "__stack_chk_fail",
            "dyld_stub_binder",
        ] {
            assert!(macos_defines(name), "{name}");
        }
        for name in ["memrchr", "sincosf", "secure_getenv", "__truncsfbf2"] {
            assert!(!macos_defines(name), "{name}");
            assert!(is_unlisted("/usr/lib/libSystem.B.dylib", name), "{name}");
        }
        for (library, name) in [
            ("KERNEL32.dll", "CreateFileW"),
            ("api-ms-win-crt-convert-l1-1-0.dll", "btowc"),
            ("VCRUNTIME140.dll", "__C_specific_handler"),
            ("KERNEL32.dll", "#4"),
            ("user32.dll", "NoSuchFunction"),
        ] {
            assert!(!is_unlisted(library, name), "{library} {name}");
        }
        assert!(is_unlisted("KERNEL32.dll", "NoSuchFunction"));
    }
}
