//! The corpus's Metal libraries with a Linux host, on both runtimes, against the
//! NumPy reference: 32 greedy tokens, or the embedding's cosine.

mod common;

use common::agrees;

#[test]
fn dense_float() {
    for runtime in ["tvm-0.26", "tvm-0.27"] {
        agrees(
            runtime,
            "tvm-0.26/dense-metal-linux-x86_64.so",
            "dense",
            "float32",
            false,
        );
    }
}

#[test]
fn dense_half() {
    for runtime in ["tvm-0.26", "tvm-0.27"] {
        agrees(
            runtime,
            "tvm-0.26/dense-f16-metal-linux-x86_64.so",
            "dense",
            "float16",
            false,
        );
    }
}

#[test]
fn dense_four_bit() {
    for runtime in ["tvm-0.26", "tvm-0.27"] {
        agrees(
            runtime,
            "tvm-0.26/dense-q4-metal-linux-x86_64.so",
            "dense",
            "q4f16_1",
            false,
        );
    }
}

#[test]
fn hybrid_float() {
    for runtime in ["tvm-0.26", "tvm-0.27"] {
        agrees(
            runtime,
            "tvm-0.26/hybrid-metal-linux-x86_64.so",
            "hybrid",
            "float32",
            false,
        );
    }
}

#[test]
fn embedding_float() {
    let pairs = [
        ("tvm-0.26", "0.26"),
        ("tvm-0.27", "0.26"),
        ("tvm-0.27", "0.27"),
    ];
    for (runtime, built) in pairs {
        let library = format!("tvm-{built}/embedding-metal-linux-x86_64.so");
        agrees(runtime, &library, "embedding", "float32", false);
    }
}

/// The order of sections that TVM wrote before 0.24.
#[test]
fn older_payload_order() {
    let library = "synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so";
    agrees("tvm-0.27", library, "embedding", "float32", false);
}

/// Real kernels pass every check of guard mode.
#[test]
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
    let slowest = report.slowest(3);
    assert!(slowest.len() == 3 && slowest.iter().all(|k| k.seconds > 0.0 && k.calls > 0));
}
