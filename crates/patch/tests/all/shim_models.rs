//! Model libraries that fail on a stock runtime run on it with the shim.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::shims::{artifact, shim};
use crate::common::{RELEASES, Release, blob, output};

/// What a run of a model came to.
#[derive(Debug)]
struct Run {
    signal: Option<i32>,
    success: bool,
    last_line: String,
    logits: Option<Vec<u8>>,
}

/// Runs a model on a stock runtime in a child process, with or without a shim.
fn run_model(runtime: Release, library: &Path, shim: Option<&Path>) -> Run {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let logits = scratch.path().join("logits.npy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/build/run_pair.py");
    let mut command = Command::new(runtime.python());
    command
        .arg(script)
        .arg(library)
        .arg("--logits")
        .arg(&logits)
        .env("OMP_NUM_THREADS", "1");
    if let Some(shim) = shim {
        // Named in full, so that a shim built elsewhere meets this runtime.
        let packages = runtime.site_packages();
        let folders = [packages.join("tvm/lib"), packages.join("tvm_ffi/lib")];
        command.env("LD_PRELOAD", shim);
        command.env(
            "LD_LIBRARY_PATH",
            std::env::join_paths(folders).expect("a path list"),
        );
    }
    let output = output(&mut command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Run {
        signal: output.status.signal(),
        success: output.status.success(),
        last_line: text.lines().last().unwrap_or_default().to_owned(),
        logits: fs::read(logits).ok(),
    }
}

/// The stock result: the library on the runtime of its own release.
fn reference(built_by: Release, name: &str) -> Run {
    let run = run_model(built_by, &artifact(built_by, name), None);
    assert!(
        run.success && run.last_line.contains("\"decode\""),
        "{name}: {run:?}"
    );
    run
}

/// What fails without a shim: pairs of other host code (a silent crash), and a
/// config of six elements on a runtime that takes five.
fn fails_without(built_by: Release, runtime: Release, run: &Run) {
    match (built_by.tvm, runtime.tvm) {
        ("0.25", "0.26" | "0.27") | ("0.26", "0.25") => {
            assert_eq!(
                run.signal,
                Some(11),
                "expected a segmentation fault: {run:?}"
            );
        }
        ("0.27", _) => assert!(run.last_line.contains("(6 vs. 5)"), "{run:?}"),
        pair => panic!("{pair:?} was not expected to fail"),
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_pair_of_releases_runs_with_the_shim() {
    for built_by in RELEASES.iter().copied() {
        let name = "dense-ext-cpu-x86_64.so";
        let expected = reference(built_by, name);
        for runtime in RELEASES.iter().copied() {
            let library = artifact(built_by, name);
            let stock_works =
                built_by.tvm == runtime.tvm || (built_by.tvm, runtime.tvm) == ("0.26", "0.27");
            if !stock_works {
                fails_without(built_by, runtime, &run_model(runtime, &library, None));
            }
            let run = run_model(runtime, &library, Some(&shim(runtime)));
            assert!(run.success, "{built_by:?} on {runtime:?}: {run:?}");
            assert_eq!(run.logits, expected.logits, "{built_by:?} on {runtime:?}");
            assert_eq!(run.last_line, expected.last_line);
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn tir_libraries_run_with_the_shim_and_give_equal_numbers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["dense-cpu-x86_64.so", "hybrid-cpu-x86_64.so"] {
        for built_by in RELEASES.iter().copied() {
            let expected = reference(built_by, name);
            let original = fs::read(artifact(built_by, name)).expect("the artifact");
            let library = dir.path().join(format!("{}-tir-{name}", built_by.tvm));
            fs::write(&library, blob::with_tag_tir(&original)).expect("a file");
            let before = run_model(built_by, &library, None);
            assert!(
                before.last_line.contains("Cannot reach here"),
                "{name}: {before:?}"
            );
            for runtime in RELEASES.iter().copied() {
                let run = run_model(runtime, &library, Some(&shim(runtime)));
                assert!(run.success, "{name} {built_by:?} on {runtime:?}: {run:?}");
                assert_eq!(
                    run.logits, expected.logits,
                    "{name} {built_by:?} on {runtime:?}"
                );
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn one_shim_built_against_0_26_serves_the_others() {
    let name = "dense-ext-cpu-x86_64.so";
    let shim = shim(RELEASES[1]);
    for (built_by, runtime) in [
        (RELEASES[0], RELEASES[2]),
        (RELEASES[2], RELEASES[0]),
        (RELEASES[1], RELEASES[0]),
    ] {
        let run = run_model(runtime, &artifact(built_by, name), Some(&shim));
        assert!(run.success, "{built_by:?} on {runtime:?}: {run:?}");
        assert_eq!(run.logits, reference(built_by, name).logits);
    }
}
