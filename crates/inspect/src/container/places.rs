//! Folders that a loader is told to look in: which of them are there on other
//! machines too.

/// Folders of the system, where an absolute name is right.
const SYSTEM: [&str; 4] = ["/usr/lib/", "/System/", "/lib/", "/lib64/"];
/// Folders that installed software is told to look in.
const INSTALLED: [&str; 4] = ["/usr/", "/opt/", "/Library/", "/System/"];

/// Whether a library's name says in which folder of one machine it lies.
pub fn is_foreign_name(name: &str) -> bool {
    name.starts_with('/') && !SYSTEM.iter().any(|folder| name.starts_with(folder))
}

/// Whether a run path is a folder of one machine.
pub fn is_foreign_run_path(path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    is_foreign_name(&folder) && !INSTALLED.iter().any(|place| folder.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_everywhere_is_not_foreign() {
        for name in [
            "/usr/lib/libSystem.B.dylib",
            "/lib64/ld.so",
            "@rpath/x.dylib",
            "x.so",
        ] {
            assert!(!is_foreign_name(name), "{name}");
        }
        for path in [
            "$ORIGIN",
            "@loader_path/..",
            "/usr/local/lib",
            "/opt/rocm/lib",
            "/lib",
            "lib",
        ] {
            assert!(!is_foreign_run_path(path), "{path}");
        }
        assert!(is_foreign_name("/Users/me/build/libtvm.dylib"));
        assert!(is_foreign_name("/usr/local/lib/libtvm.dylib"));
        for path in ["/home/me/tvm/build", "/Users/me/x/", "/optional", "/"] {
            assert!(is_foreign_run_path(path), "{path}");
        }
    }
}
