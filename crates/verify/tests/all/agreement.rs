//! The corpus models on the stock wheels agree with the independent references.

use artcheck_verify::{Class, Quiet, run_matrix};

use crate::common::{
    self, Matrix, artifact, failure, options, part, passed, reference, root, text, wheels,
};

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_cpu_row_of_the_corpus_matrix_passes() {
    let mut options = options(root().join("matrix/corpus.toml"));
    options.device = Some("cpu".to_owned());
    let report = run_matrix(&options, &mut Quiet).unwrap();
    assert!(report.succeeded(), "{report:#?}");
    for (version, _) in wheels() {
        for model in [
            "dense",
            "hybrid",
            "recurrent",
            "embedding",
            "dense-q4",
            "hybrid-q4",
            "embedding-q4",
            "encoder",
            "minilm-l6",
        ] {
            let name = format!("{model}-{version}-cpu");
            assert!(passed(&report, &name), "{name} is not in the matrix");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_seed_that_is_not_the_reference_s_does_not_agree() {
    let report = Matrix::new()
        .row("right", &[])
        .row("wrong", &[("weights", "\"random:8\"".to_owned())])
        .run();
    assert!(passed(&report, "right"));
    let failure = failure(&report, "wrong");
    assert_eq!(failure.class, Class::Mismatch, "{}", failure.message);
    assert!(!report.succeeded());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_file_and_unpacked_wheels_serve_as_runtime() {
    let wheel = |name: &str| part("wheels").join(name);
    let wheels = [
        wheel("apache_tvm-0.26.0-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"),
        wheel(
            "apache_tvm_ffi-0.1.13.post2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        ),
    ];
    let unpacked = [
        part("unpacked/tvm-0.26-linux-x86_64"),
        part("unpacked/tvm-ffi-0.1.13.post2-linux-x86_64"),
    ];
    let report = Matrix::new()
        .runtime("wheels", &wheels)
        .runtime("unpacked", &unpacked)
        .row("wheels", &[("runtime", "\"wheels\"".to_owned())])
        .row("unpacked", &[("runtime", "\"unpacked\"".to_owned())])
        .run();
    assert!(report.succeeded(), "{report:#?}");
    let facts = &common::row(&report, "unpacked").facts;
    assert_eq!(
        facts.packages,
        ["apache_tvm-0.26.0", "apache_tvm_ffi-0.1.13.post2"]
    );
    // The package calls itself 0.1.13.post2; its C interface is one ahead.
    assert_eq!(facts.ffi_version.as_deref(), Some("0.1.14"));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_seed_repeats_sampled_tokens_on_every_runtime() {
    let keys = |version: &str, seed: u64| {
        let library = artifact(&format!("tvm-{version}/dense-cpu-x86_64.so"));
        [
            ("library", text(&library)),
            ("runtime", format!("\"tvm-{version}\"")),
            ("sampling", format!("{{ top_p = 0.95, seed = {seed} }}")),
            // What is sampled is not known before: only that it is the same.
            ("prompt", "[{ text = \"corpus\" }]".to_owned()),
        ]
    };
    let report = Matrix::new()
        .row("a", &keys("0.26", 1))
        .row("b", &keys("0.27", 1))
        .row("c", &keys("0.26", 2))
        .run();
    let tokens = |name| common::row(&report, name).answers[0].tokens.clone();
    assert_eq!(tokens("a"), tokens("b"));
    assert_ne!(tokens("a"), tokens("c"));
    assert_eq!(tokens("a").len(), 64);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_repeated_row_runs_in_as_many_processes() {
    let report = Matrix::new()
        .row(
            "twice",
            &[("repeat", "2".to_owned()), ("warmup", "1".to_owned())],
        )
        .row("other", &[("prompt", reference("dense", "greeting"))])
        .run();
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(common::row(&report, "twice").runs, 2);
    let figures = common::row(&report, "twice").figures;
    let rate = figures.tokens_per_second.unwrap();
    assert!(rate > 1.0);
    let host = figures.host_seconds_per_step.unwrap();
    assert!(host > 0.0 && host < 1.0 / rate, "{host} s of a step");
    assert!(figures.peak_memory.unwrap() > 1 << 20);
}
