//! `fix --prove`: the repaired library is run, and what did not run is not called proved.

use std::path::Path;

use crate::support::{artcheck, make, root, text, venv};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_repair_is_proved_by_running_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("model.so");
    let (told, status) = text(
        artcheck()
            .args(["fix", "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so"])
            .arg("--runtime")
            .arg(venv("tvm-0.26"))
            .args(["--apply", "--prove", "--out"])
            .arg(&out),
    );
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("every function ran"), "{told}");
    assert!(told.contains("called: batch_prefill: array"), "{told}");
}

/// States of both kinds, and none: every function that a library has is called.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn libraries_of_every_kind_of_state_are_proved() {
    for (kind, release, calls) in [
        (
            "hybrid",
            "0.25",
            &[
                "create_rnn_state",
                "create_tir_paged_kv_cache",
                "batch_decode",
            ][..],
        ),
        (
            "hybrid",
            "0.26",
            &[
                "create_rnn_state",
                "create_tir_paged_kv_cache",
                "batch_prefill",
            ],
        ),
        (
            "recurrent",
            "0.27",
            &["create_rnn_state", "batch_prefill", "batch_decode"],
        ),
        ("embedding", "0.27", &["prefill"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let from = format!("corpus/artifacts/tvm-{release}/{kind}-cpu-x86_64.so");
        let file = folder.path().join("model.so");
        std::fs::copy(root().join(&from), &file).expect("copied");
        let (told, status) = text(
            artcheck()
                .arg("fix")
                .arg(&file)
                .arg("--runtime")
                .arg(venv(&format!("tvm-{release}")))
                .args(["--apply", "--in-place", "--prove"]),
        );
        assert_eq!(status, 0, "{from}: {told}");
        assert!(told.contains("every function ran"), "{from}: {told}");
        for call in calls {
            assert!(
                told.contains(&format!("called: {call}: ")),
                "{from}: {told}"
            );
        }
    }
}

/// Where the code of an exported function is in a file.
fn place_of(library: &[u8], name: &str) -> usize {
    let parsed = artcheck_inspect::container::parse(library).expect("a library");
    let parsed = parsed.first().expect("a library");
    let mut defined = parsed.binary.defined.iter();
    let symbol = defined.find(|symbol| symbol.name == name).expect(name);
    let mut segments = parsed.binary.segments.iter();
    let segment =
        segments.find(|one| (one.address..one.address + one.file_size).contains(&symbol.address));
    let segment = segment.expect("in a segment");
    usize::try_from(symbol.address - segment.address + segment.file_offset).expect("small")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_does_not_run_is_not_proved() {
    let folder = tempfile::tempdir().expect("a folder");
    // A kernel that fails whatever it is given: no rule reads what it computes.
    let from = root().join("corpus/artifacts/tvm-0.25/extcall-cpu-x86_64.so");
    let mut library = std::fs::read(from).expect("the library");
    let kernel = place_of(&library, "__tvm_ffi_add_external_kernel");
    // `mov eax, -1; ret`
    library[kernel..kernel + 6].copy_from_slice(&[0xb8, 0xff, 0xff, 0xff, 0xff, 0xc3]);
    let file = make::put(folder.path(), "model.so", library);
    let prove = |file: &Path, runtime: &str, more: &[&str]| {
        text(
            artcheck()
                .arg("fix")
                .arg(file)
                .arg("--runtime")
                .arg(venv(runtime))
                .args(["--apply", "--in-place", "--prove"])
                .args(more),
        )
    };
    let (told, status) = prove(&file, "tvm-0.25", &[]);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("failed: add_external: "), "{told}");
    assert!(told.contains("called: main: "), "{told}");
    // What only the application has cannot be tried without it.
    let missing = "vm.builtin.attention_kv_cache_attention_with_fused_qkv_v9";
    let from = "corpus/artifacts/synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so";
    std::fs::copy(root().join(from), &file).expect("copied");
    let (told, status) = prove(&file, "tvm-0.26", &["--provides", missing]);
    assert_eq!(status, 4, "{told}");
    assert!(told.contains("which the application registers"), "{told}");
}
