//! Shims and model libraries that several tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use artcheck_patch::shim::{Environment, ShimOptions, ShimPart, ShimPlan, build};

use super::{RELEASES, Release};

/// The parts that use only the C ABI and need no Mac.
pub const PORTABLE: [ShimPart; 3] = [
    ShimPart::AttentionTag,
    ShimPart::CacheConfig,
    ShimPart::ContextSlots,
];

/// The compilers of this machine.
pub fn native() -> Environment {
    Environment {
        cxx: None,
        ..Environment::of_process()
    }
}

/// The pinned zig and no other compiler.
pub fn with_zig() -> Environment {
    let words = super::zig();
    let command = words.split_last().map(|(_, command)| command.join(" "));
    Environment {
        cxx: None,
        zig: command,
        path: None,
    }
}

/// A shim with these parts for a release's installed wheel.
pub fn options(release: Release, parts: &[ShimPart], out: PathBuf) -> ShimOptions {
    ShimOptions {
        runtime_paths: vec![release.site_packages()],
        plan: ShimPlan::of(parts.iter().copied()),
        out,
        target: None,
        environment: native(),
    }
}

/// The portable shim of a release, built once for each test program.
pub fn shim(release: Release) -> PathBuf {
    static SHIMS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let shims = SHIMS.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shims");
        fs::create_dir_all(&dir).expect("a folder");
        let build_one = |release: &Release| {
            // Put into place by a rename, so programs running side by side can share it.
            let out = dir.join(format!("libshim-{}.so", release.tvm));
            build(&options(*release, &PORTABLE, out))
                .expect("a shim")
                .library
        };
        RELEASES.iter().map(build_one).collect()
    });
    let at = RELEASES
        .iter()
        .position(|known| known.tvm == release.tvm)
        .expect("a known release");
    shims[at].clone()
}

/// A model library of the corpus.
pub fn artifact(built_by: Release, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    root.join(format!("tvm-{}/{name}", built_by.tvm))
}
