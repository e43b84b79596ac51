//! Real Metal libraries with a Linux host, driven by TVM's own Python virtual machine
//! and held against the NumPy reference. All models, weights and runtimes:
//! `matrix/corpus.toml`, which `tests/metal_sim.rs` of the workspace runs.

use crate::common::agrees;

/// The order of sections that TVM wrote before 0.24.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn older_payload_order() {
    let library = "synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so";
    agrees("tvm-0.27", library, "embedding", "float32", false);
}

/// Real kernels pass every check of guard mode.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn guard_mode_finds_nothing_in_sound_kernels() {
    let sound = [
        ("dense", "dense", "float32"),
        ("dense-f16", "dense", "float16"),
        ("dense-q4", "dense", "q4f16_1"),
        ("hybrid", "hybrid", "float32"),
        ("embedding", "embedding", "float32"),
    ];
    for (library, model, dtype) in sound {
        let library = format!("tvm-0.26/{library}-metal-linux-x86_64.so");
        let answer = agrees("tvm-0.26", &library, model, dtype, true);
        assert!(answer.report.guard);
    }
}

/// Which kernels ran, how long they took, and that the cache serves a second run.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_report_counts_kernels() {
    let run = || {
        agrees(
            "tvm-0.27",
            "tvm-0.27/embedding-metal-linux-x86_64.so",
            "embedding",
            "float32",
            false,
        )
    };
    run();
    let report = run().report;
    assert_eq!(report.device, "simulated");
    assert_eq!(
        report.coverage(),
        format!("{} of {} kernels ran", report.ran, report.kernels)
    );
    assert_eq!(report.kernels, 20);
    assert!(report.ran >= 15, "{}", report.coverage());
    assert!(
        report.list.iter().all(|k| k.cached),
        "the second run compiles nothing"
    );
    let mut ran = report.list.iter().filter(|k| k.calls > 0);
    assert!(ran.all(|k| k.seconds > 0.0));
}
