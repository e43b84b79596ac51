//! Web libraries: driven by the JavaScript of an npm package, under Node and in Chromium.
//! tests/systems has all the rows (docs/systems.md).

use std::path::PathBuf;

use artcheck_verify::{Class, Stage};

use crate::common::{
    Matrix, artifact, child, failure, not_run, part, passed, reference, root, row, text,
};

const PACKAGE: &str = "npm/web-runtime-0.27";

fn on(name: &str) -> (&'static str, String) {
    ("runtime", format!("{name:?}"))
}

fn device(name: &str) -> (&'static str, String) {
    ("device", format!("{name:?}"))
}

/// A library that tools/web-needs builds.
fn built(name: &str) -> (&'static str, String) {
    let file = part("built/web/tvm-0.27").join(name);
    assert!(file.is_file(), "no {}: run tools/web-needs", file.display());
    ("library", text(&file))
}

/// Why nothing of it can run here; tests/run says it too.
fn cannot() -> bool {
    let program = child().program;
    let target = program.ancestors().nth(3).expect("the target folder");
    let reason = std::fs::read_to_string(target.join("web-not-run"));
    if let Ok(reason) = &reason {
        eprintln!("{reason}");
    }
    reason.is_ok()
}

#[test]
fn a_row_for_webgpu_needs_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let library = artifact("tvm-0.27/embedding-webgpu.wasm");
    let report = Matrix::new()
        .runtime("folder", &[folder.path().to_owned()])
        .row(
            "row",
            &[on("folder"), device("webgpu"), ("library", text(&library))],
        )
        .run();
    let reason = not_run(&report, "row");
    assert!(reason.contains("@mlc-ai/web-llm"), "{reason}");
}

/// The corpus' library has no runtime inside: the package says so when it loads it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_a_package_says_of_a_library_is_the_failure() {
    let library = artifact("tvm-0.27/embedding-webgpu.wasm");
    let report = Matrix::new()
        .runtime("package", &[part(PACKAGE)])
        .row("row", &[on("package"), ("library", text(&library))])
        .run();
    let failure = failure(&report, "row");
    assert_eq!(failure.stage, Stage::Dlopen);
    assert!(failure.message.contains("LinkError"), "{}", failure.message);
    let packages = &row(&report, "row").facts.packages;
    assert!(packages.is_empty(), "{packages:?}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn web_libraries_give_the_reference_under_node_and_in_chromium() {
    if cannot() {
        return;
    }
    let embedding: PathBuf = root().join("corpus/reference/expected/embedding.json");
    let prompt = format!(
        "[{{ expect = {{ reference = \"{}#short\", cosine = 0.9999 }} }}]",
        embedding.display()
    );
    let call = "[{ function = \"_metadata\" }, { function = \"vm.builtin.sample_top_p_from_logits\", \
         arguments = [{ zeros = [[1, 32], [2, 32, 1]] }, { float = 1.0 }, { float = 0.9 }, { float = 0.5 }] }]";
    let report = Matrix::new()
        .runtime("package", &[part(PACKAGE)])
        .row(
            "node",
            &[
                on("package"),
                built("dense-wasm.wasm"),
                ("prompt", reference("dense", "short")),
            ],
        )
        .row(
            "calls",
            &[
                on("package"),
                built("dense-wasm.wasm"),
                ("call", call.to_owned()),
                ("prompt", "[]".to_owned()),
            ],
        )
        .row(
            "chromium",
            &[
                on("package"),
                device("webgpu"),
                built("embedding-webgpu.wasm"),
                ("prompt", prompt),
            ],
        )
        .row(
            "device",
            &[
                on("package"),
                built("embedding-webgpu.wasm"),
                ("prompt", "[{ tokens = [1, 2] }]".to_owned()),
            ],
        )
        .run();
    for name in ["node", "calls", "chromium"] {
        assert!(passed(&report, name), "{report:#?}");
    }
    let facts = &row(&report, "chromium").facts;
    assert!(facts.adapter.is_some(), "{facts:?}");
    assert_eq!(facts.packages[0], "web-runtime-0.27.0-dev0");
    // Kernels for WebGPU do not run without one.
    let failure = failure(&report, "device");
    assert_eq!(failure.class, Class::Runtime);
}
