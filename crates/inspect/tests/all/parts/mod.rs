//! Where the real parts lie that tests run on.

use std::path::{Path, PathBuf};

/// The folder `tools/parts.py` fills.
pub fn root() -> PathBuf {
    let cache = |base: PathBuf| base.join("artcheck").join("parts");
    let root = if let Some(path) = std::env::var_os("ARTCHECK_PARTS") {
        PathBuf::from(path)
    } else if let Some(path) = std::env::var_os("XDG_CACHE_HOME") {
        cache(PathBuf::from(path))
    } else {
        let home = std::env::var_os("HOME").expect("HOME is set");
        cache(Path::new(&home).join(".cache"))
    };
    assert!(
        root.join("unpacked").is_dir(),
        "the real parts are missing at {}: run python3 tools/parts.py",
        root.display()
    );
    root
}

/// The releases whose wheels are there, by number, with the tvm-ffi of each.
pub fn releases() -> Vec<(&'static str, &'static str)> {
    let known = artcheck_inspect::runtime::release::releases().iter();
    known
        .filter(|release| release.wheel.is_some())
        .filter_map(|known| {
            let number = known.release.as_deref()?;
            Some((number, known.ffi_version.value.as_deref()?))
        })
        .collect()
}

/// One file below `unpacked/`.
pub fn file(path: &str) -> PathBuf {
    let file = root().join("unpacked").join(path);
    assert!(
        file.is_file(),
        "{} is missing: run python3 tools/parts.py",
        file.display()
    );
    file
}
