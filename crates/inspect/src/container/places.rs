//! Folders that a loader is told to look in: which of them are there on other
//! machines too.

/// Folders of the system and of its package managers, where an absolute name is right.
const SYSTEM: [&str; 6] = [
    "/usr/lib/",
    "/System/",
    "/Library/",
    "/lib/",
    "/lib64/",
    "/opt/",
];

/// Whether a library's name says in which folder of one machine it lies.
pub fn is_foreign_name(name: &str) -> bool {
    name.starts_with('/') && !SYSTEM.iter().any(|folder| name.starts_with(folder))
}

/// Whether a run path is a folder of one machine.
pub fn is_foreign_run_path(path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    (is_foreign_name(&folder) && !folder.starts_with("/usr/"))
        || is_of_no_system(&folder)
        || path.contains('\\')
}

/// Below `/lib` a system has a folder per architecture, `/lib/x86_64-linux-gnu`. Any
/// other, as `/lib/intel64`, comes of a build with a name left empty.
fn is_of_no_system(folder: &str) -> bool {
    let below = folder.strip_prefix("/lib/");
    below.is_some_and(|below| !below.is_empty() && !below.contains("-linux-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_everywhere_is_not_foreign() {
        for name in [
            "/opt/homebrew/opt/x/lib/libx.dylib",
            "/Library/Frameworks/X.framework/X",
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
            "/lib/aarch64-linux-gnu",
            "/usr/lib/wsl/lib",
            "lib",
        ] {
            assert!(!is_foreign_run_path(path), "{path}");
        }
        assert!(is_foreign_name("/Users/me/build/libtvm.dylib"));
        assert!(is_foreign_name("/usr/local/lib/libtvm.dylib"));
        for path in [
            "/srv/tvm/build",
            "/Users/me/x/",
            "/optional",
            "/",
            "/lib/intel64",
            "\\a\\tvm\\lib",
        ] {
            assert!(is_foreign_run_path(path), "{path}");
        }
    }
}
