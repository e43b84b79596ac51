//! The C++ sources, carried in this crate so that a plain installation has them.

use sha2::{Digest, Sha256};

/// Name and text of each file, by the folder that it belongs to.
pub struct Source {
    /// The path below the build folder, such as `kernel/abi.h`.
    pub path: &'static str,
    /// The file's text.
    pub text: &'static str,
}

macro_rules! sources {
    ($($path:literal),* $(,)?) => {
        &[$(Source { path: $path, text: include_str!(concat!("../cpp/", $path)) }),*]
    };
}

/// Every file of the plug-in.
pub const SOURCES: &[Source] = sources![
    "kernel/abi.h",
    "kernel/checked.h",
    "kernel/division.h",
    "kernel/lane.h",
    "kernel/lanes.h",
    "kernel/math.h",
    "kernel/matrix.h",
    "kernel/simd.h",
    "kernel/tile.h",
    "kernel/vectors.h",
    "kernel/wide.h",
    "metal/device.cc",
    "metal/device.h",
    "plugin/bound.h",
    "plugin/compile.cc",
    "plugin/compile.h",
    "plugin/division.cc",
    "plugin/division.h",
    "plugin/entry.cc",
    "plugin/entry.h",
    "plugin/explain.cc",
    "plugin/explain.h",
    "plugin/fiber.cc",
    "plugin/fiber.h",
    "plugin/group.cc",
    "plugin/group.h",
    "plugin/kernel.cc",
    "plugin/kernel.h",
    "plugin/lanes.cc",
    "plugin/lanes.h",
    "plugin/last_words.cc",
    "plugin/last_words.h",
    "plugin/launch.cc",
    "plugin/launch.h",
    "plugin/lex.cc",
    "plugin/lex.h",
    "plugin/memory.cc",
    "plugin/memory.h",
    "plugin/options.cc",
    "plugin/options.h",
    "plugin/payload.cc",
    "plugin/payload.h",
    "plugin/process.cc",
    "plugin/process.h",
    "plugin/report.cc",
    "plugin/report.h",
    "plugin/syntax.cc",
    "plugin/syntax.h",
    "plugin/translate.cc",
    "plugin/translate.h",
    "plugin/variance.cc",
    "plugin/variance.h",
    "plugin/workers.cc",
    "plugin/workers.h",
    "tvm/arguments.cc",
    "tvm/arguments.h",
    "tvm/device.cc",
    "tvm/host_library.cc",
    "tvm/host_library.h",
    "tvm/module.cc",
];

/// A name for this state of the sources.
pub fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for source in SOURCES {
        hash.update(source.path.as_bytes());
        hash.update([0]);
        hash.update(source.text.as_bytes());
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_source_file_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cpp");
        let mut found: Vec<String> = walkdir::WalkDir::new(&folder)
            .into_iter()
            .map(|entry| entry.expect("the source folder is readable"))
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let path = entry
                    .path()
                    .strip_prefix(&folder)
                    .expect("below the folder");
                path.to_string_lossy().replace('\\', "/")
            })
            .collect();
        found.sort();
        let carried: Vec<&str> = SOURCES.iter().map(|s| s.path).collect();
        assert_eq!(found, carried);
    }
}
