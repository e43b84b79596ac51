//! What builds that were killed left in the cache.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::Duration;

/// Begins the name of a folder in which the plug-in is built.
pub const BUILDING: &str = "building-";

/// No build takes as long; other processes may be at work here, on other machines too.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// Removes what is old and half made. What cannot be removed stays: it does no harm.
pub fn remove(cache: &Path) {
    each_old(cache, |entry, name| {
        if name.starts_with(BUILDING) {
            let _ = fs::remove_dir_all(entry.path());
        }
    });
    each_old(&cache.join("kernels"), |entry, name| {
        if half_made(name) {
            let _ = fs::remove_file(entry.path());
        }
    });
}

/// `kernels-1f.1234.so`, `1f.ref.1234.new`: the process that makes it is in the name until
/// it is whole (`cpp/plugin/compile.cc`).
fn half_made(name: &str) -> bool {
    let mut parts = name.rsplit('.');
    let (end, process) = (parts.next(), parts.next().unwrap_or_default());
    let number = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    matches!(end, Some("so" | "new")) && number && parts.next().is_some()
}

fn each_old(folder: &Path, act: impl Fn(&DirEntry, &str)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(BUILDING) && !half_made(&name) {
            continue;
        }
        let changed = entry.metadata().and_then(|facts| facts.modified());
        if changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > OLD)) {
            act(&entry, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::SystemTime;

    #[test]
    fn only_what_is_old_and_half_made_goes() {
        let top = tempfile::tempdir().expect("a folder");
        let kernels = top.path().join("kernels");
        fs::create_dir_all(&kernels).expect("a folder");
        let names = [
            ("kernels-1f.1234.so", false),
            ("1f.ref.1234.new", false),
            ("kernels-1f.so", true),
            ("1f.ref", true),
            ("kernels-2e.77.so", true),
        ];
        for (name, _) in names {
            let file = File::create(kernels.join(name)).expect("a file");
            if !name.contains("77") {
                file.set_modified(SystemTime::now() - 2 * OLD)
                    .expect("a time");
            }
        }
        remove(top.path());
        for (name, stays) in names {
            assert_eq!(kernels.join(name).exists(), stays, "{name}");
        }
    }
}
