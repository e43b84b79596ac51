//! Failures are named, each with its own words, and the other rows go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use artcheck_verify::{
    Class, Failure, Outcome, Precheck, PrecheckFinding, Quiet, Row, Shim, ShimProvider, Stage,
    run_matrix,
};

use crate::common::{self, Matrix, artifact, failure, not_run, part, passed, root, text};

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The trained weights, copied so that a test can spoil them.
fn weights(into: &Path) -> PathBuf {
    let from = root().join("corpus/trained/dense");
    let copy = into.join("weights");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    copy
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_of_0_25_on_0_26_and_back_is_killed_by_sigsegv_at_prefill() {
    let on = |library: &str, runtime: &str| {
        let library = artifact(&format!("tvm-{library}/dense-ext-cpu-x86_64.so"));
        [
            ("library", text(&library)),
            ("runtime", format!("\"tvm-{runtime}\"")),
        ]
    };
    let report = Matrix::new()
        .row("old-on-new", &on("0.25", "0.26"))
        .row("new-on-old", &on("0.26", "0.25"))
        .row("fits", &on("0.26", "0.26"))
        .run();
    for name in ["old-on-new", "new-on-old"] {
        let failure = failure(&report, name);
        assert_eq!(failure.message, "killed by SIGSEGV at stage prefill");
        assert_eq!(
            (failure.class, failure.stage),
            (Class::Signal, Stage::Prefill)
        );
    }
    assert!(passed(&report, "fits"), "{report:#?}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_tag_that_the_runtime_does_not_accept_fails_at_cache_in_its_own_words() {
    let report = Matrix::new().row("tag", &[("library", text(&tir()))]).run();
    let failure = failure(&report, "tag");
    assert_eq!(
        (failure.class, failure.stage),
        (Class::Runtime, Stage::Cache)
    );
    assert!(
        failure.message.contains("Cannot reach here"),
        "{}",
        failure.message
    );
    assert!(
        !failure.backtrace.is_empty(),
        "the runtime's backtrace is kept"
    );
}

/// A library whose attention tag is the one that runtimes accepted until 0.23.
fn tir() -> PathBuf {
    artifact("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn spoiled_weights_are_named_before_the_model_runs() {
    let matrix = Matrix::new();
    let spoil = |name: &str, change: &dyn Fn(&Path)| {
        let copy = weights(&matrix.folder.path().join(name));
        change(&copy);
        ("weights", text(&copy))
    };
    let edit_index = |copy: &Path, from: &str, to: &str| {
        let path = copy.join("tensor-cache.json");
        let index = fs::read_to_string(&path).unwrap();
        assert!(index.contains(from), "{from}");
        fs::write(path, index.replacen(from, to, 1)).unwrap();
    };
    let shard = "params_shard_0.bin";
    let missing = spoil("missing", &|c| fs::remove_file(c.join(shard)).unwrap());
    let short = spoil("short", &|c| {
        let bytes = fs::read(c.join(shard)).unwrap();
        fs::write(c.join(shard), &bytes[..bytes.len() - 4]).unwrap();
    });
    let flipped = spoil("flipped", &|c| {
        let mut bytes = fs::read(c.join(shard)).unwrap();
        bytes[1000] ^= 1;
        fs::write(c.join(shard), bytes).unwrap();
    });
    let shape = spoil("shape", &|c| {
        let index = fs::read_to_string(c.join("tensor-cache.json")).unwrap();
        let compact: serde_json::Value = serde_json::from_str(&index).unwrap();
        let text = compact.to_string().replacen("[264,64]", "[132,128]", 1);
        fs::write(c.join("tensor-cache.json"), text).unwrap();
    });
    let renamed = spoil("renamed", &|c| {
        edit_index(c, "model.norm.weight", "model.norm.wait");
    });
    let outside = spoil("outside", &|c| edit_index(c, shard, "../escape.bin"));
    // The same name once more: TVM takes the last record, other tools the first.
    let twice = spoil("twice", &|c| {
        let path = c.join("tensor-cache.json");
        let mut index: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut again = index["records"][0].clone();
        again["records"].as_array_mut().unwrap().truncate(1);
        again["dataPath"] = "again.bin".into();
        index["records"].as_array_mut().unwrap().push(again);
        fs::copy(c.join(shard), c.join("again.bin")).unwrap();
        fs::write(path, index.to_string()).unwrap();
    });
    let no_index = spoil("no-index", &|c| {
        fs::remove_file(c.join("tensor-cache.json")).unwrap();
    });
    let report = matrix
        .row("missing", &[missing])
        .row("short", &[short])
        .row("flipped", &[flipped])
        .row("shape", &[shape])
        .row("renamed", &[renamed])
        .row("outside", &[outside])
        .row("no-index", &[no_index])
        .row("twice", &[twice])
        .row("sound", &[])
        .run();
    for (name, class, words) in [
        ("missing", Class::MissingShard, "missing shard"),
        ("short", Class::CorruptShard, "bytes expected"),
        ("flipped", Class::CorruptShard, "MD5"),
        (
            "shape",
            Class::WrongShape,
            "`model.embed_tokens.weight`: the model wants [264, 64]",
        ),
        (
            "renamed",
            Class::Weights,
            "missing parameter `model.norm.weight`",
        ),
        ("outside", Class::Weights, "leaves the directory"),
        ("no-index", Class::Weights, "tensor-cache.json"),
        (
            "twice",
            Class::Weights,
            "is named twice, in params_shard_0.bin and in again.bin",
        ),
    ] {
        let failure = failure(&report, name);
        assert_eq!(
            (failure.class, failure.stage),
            (class, Stage::Weights),
            "{name}"
        );
        assert!(
            failure.message.contains(words),
            "{name}: {}",
            failure.message
        );
    }
    assert!(passed(&report, "sound"));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn missing_functions_are_named() {
    let hybrid = text(&artifact("tvm-0.26/hybrid-cpu-x86_64.so"));
    let dense = text(&artifact("tvm-0.26/dense-cpu-x86_64.so"));
    let report = Matrix::new()
        .row("entry", &[("library", hybrid), ("entry", quoted("single"))])
        .row("kind", &[("library", dense), ("kind", quoted("hybrid"))])
        .run();
    let entry = failure(&report, "entry");
    assert_eq!(
        (entry.class, entry.stage),
        (Class::MissingFunction, Stage::Cache)
    );
    assert!(
        entry.message.contains("no function `prefill`"),
        "{}",
        entry.message
    );
    let kind = failure(&report, "kind");
    assert_eq!((kind.class, kind.stage), (Class::Model, Stage::Vm));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_a_model_cannot_read_is_not_fed_to_it() {
    let embedding = text(&artifact("tvm-0.26/embedding-cpu-x86_64.so"));
    let tokens = |list: &str| {
        (
            "prompt",
            format!("[{{ tokens = {list}, expect = {{ text = \"x\" }} }}]"),
        )
    };
    let many = |count: usize| {
        let prompt = format!("{{ tokens = {:?} }}", vec![65; count]);
        ("prompt", format!("[{prompt}, {{ tokens = [65] }}]"))
    };
    let far = (
        "similarity",
        "[{ a = 0, b = 1, at_most = 0.99999 }]".to_owned(),
    );
    let embeds = |prompt| [("library", embedding.clone()), far.clone(), prompt];
    let report = Matrix::new()
        .row("large", &[tokens("[256, 84, 264]")])
        .row("negative", &[tokens("[256, -1]")])
        .row("last", &[tokens("[256, 84, 263]")])
        .row(
            "other-model",
            &embeds((
                "prompt",
                "[{ tokens = [300] }, { tokens = [65] }]".to_owned(),
            )),
        )
        .row("long", &embeds(many(129)))
        .row("whole", &embeds(many(128)))
        .row(
            "writes",
            &[
                far.clone(),
                ("prompt", "[{ text = \"x\" }, { text = \"y\" }]".to_owned()),
            ],
        )
        .row(
            "embeds",
            &[
                ("library", embedding.clone()),
                (
                    "prompt",
                    "[{ text = \"x\", expect = { text = \"y\" } }]".to_owned(),
                ),
            ],
        )
        .run();
    for (name, words) in [
        (
            "large",
            "prompt[0]: token 264 is outside the library's vocabulary of 264 tokens",
        ),
        (
            "negative",
            "prompt[0]: token -1 is outside the library's vocabulary",
        ),
        (
            "other-model",
            "token 300 is outside the library's vocabulary of 264 tokens",
        ),
        (
            "long",
            "129 tokens, but the library's context window is 128",
        ),
        ("writes", "`similarity` is for embedding models"),
        (
            "embeds",
            "`prompt[0].expect.text` is for models that write text",
        ),
    ] {
        let failure = failure(&report, name);
        assert_eq!(failure.class, Class::Model, "{name}: {}", failure.message);
        assert!(
            failure.message.contains(words),
            "{name}: {}",
            failure.message
        );
    }
    // Within both bounds it runs, right or wrong.
    assert!(passed(&report, "whole"), "{report:#?}");
    assert_eq!(failure(&report, "last").class, Class::Mismatch);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn archives_of_objects_are_told_to_be_linked_first() {
    let matrix = Matrix::new();
    let archive = matrix.folder.path().join("model.tar");
    fs::write(&archive, b"objects").unwrap();
    let report = matrix.row("tar", &[("library", text(&archive))]).run();
    let failure = failure(&report, "tar");
    assert_eq!((failure.class, failure.stage), (Class::Load, Stage::Dlopen));
    assert!(
        failure.message.contains("link it first"),
        "{}",
        failure.message
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn time_outs_and_memory_limits_end_a_row_and_no_other() {
    let report = Matrix::new()
        .row(
            "slow",
            &[("warmup", "100000000".into()), ("time_limit", "3".into())],
        )
        .row("small", &[("memory_limit_mib", "100".into())])
        .row("enough", &[("memory_limit_mib", "2000".into())])
        .run();
    let slow = failure(&report, "slow");
    assert_eq!(slow.class, Class::TimeOut);
    assert!(
        slow.message.starts_with("time-out: 3 s passed at stage "),
        "{}",
        slow.message
    );
    let small = failure(&report, "small");
    assert_eq!(small.class, Class::OutOfMemory, "{}", small.message);
    assert!(
        small.message.starts_with("out of memory: "),
        "{}",
        small.message
    );
    assert!(passed(&report, "enough"), "{report:#?}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_runtime_whose_parts_do_not_fit_is_refused_by_the_linker() {
    let broken = part("venv/tvm-0.25-newest-ffi");
    let report = Matrix::new()
        .runtime("broken", &[broken])
        .row("broken", &[("runtime", quoted("broken"))])
        .run();
    let failure = failure(&report, "broken");
    assert_eq!((failure.class, failure.stage), (Class::Load, Stage::Dlopen));
    assert!(
        failure
            .message
            .contains("undefined symbol: _ZN3tvm3ffi4json9Stringify")
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn rows_that_cannot_run_here_are_not_run_and_never_passed() {
    let matrix = Matrix::new()
        .row(
            "library",
            &[
                ("library", quoted("nowhere/model.so")),
                ("get", quoted("compile it")),
            ],
        )
        .row("metal", &[("device", quoted("metal"))]);
    let mut options = matrix.options();
    options.require_all = false;
    let report = run_matrix(&options, &mut Quiet).unwrap();
    let library = not_run(&report, "library");
    assert!(
        library.contains("no library") && library.contains("compile it"),
        "{library}"
    );
    assert!(not_run(&report, "metal").contains("libtvm_runtime_metal"));
    assert!(
        !report.succeeded(),
        "a run in which nothing ran shows nothing"
    );
    let matrix = matrix.row("runs", &[]);
    let mut options = matrix.options();
    options.require_all = false;
    assert!(run_matrix(&options, &mut Quiet).unwrap().succeeded());
    options.require_all = true;
    assert!(!run_matrix(&options, &mut Quiet).unwrap().succeeded());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_device_asks_for_its_own_part_of_the_runtime() {
    let devices = ["metal", "vulkan", "opencl", "rocm", "vulkan:1"];
    let wheel = |name: &str| part("wheels").join(name);
    let wheels = [
        wheel("apache_tvm-0.26.0-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"),
        wheel(
            "apache_tvm_ffi-0.1.13.post2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
        ),
    ];
    let mut matrix = Matrix::new().runtime("wheels", &wheels);
    for device in devices {
        matrix = matrix.row(device, &[("device", quoted(device))]);
    }
    let in_wheel = [("device", quoted("vulkan")), ("runtime", quoted("wheels"))];
    let report = matrix.row("in-wheel", &in_wheel).run();
    for (name, device) in devices.iter().zip(devices).chain([(&"in-wheel", "vulkan")]) {
        let kind = device.trim_end_matches(":1");
        assert_eq!(
            not_run(&report, name),
            format!("the runtime has no part for {device} (libtvm_runtime_{kind}.so)")
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_child_that_is_no_child_is_reported() {
    let matrix = Matrix::new().row("row", &[]);
    let mut options = matrix.options();
    options.child.arguments.clear();
    let report = run_matrix(&options, &mut Quiet).unwrap();
    let failure = failure(&report, "row");
    assert_eq!(failure.class, Class::Exit);
    assert!(
        failure.last_words.iter().any(|l| l.starts_with("usage:")),
        "{failure:?}"
    );
}

/// Blocks every row, as a pre-check of the load set does for one it knows to fail.
struct Blocks;

impl Precheck for Blocks {
    fn check(&self, _row: &Row) -> Result<Vec<PrecheckFinding>, String> {
        Ok(vec![PrecheckFinding {
            code: "AC101".to_owned(),
            message: "the tag is not accepted".to_owned(),
            blocking: true,
        }])
    }
}

/// Repairs by naming the sound library.
struct Repairs(AtomicU32);

impl ShimProvider for Repairs {
    fn shim(
        &self,
        _row: &Row,
        failure: &Failure,
        findings: &[PrecheckFinding],
    ) -> Result<Option<Shim>, String> {
        assert_eq!(findings.len() == 1, failure.class == Class::Precheck);
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Shim {
            libraries: Vec::new(),
            replaces_library: Some(artifact("tvm-0.26/dense-cpu-x86_64.so")),
            description: "the sound library".to_owned(),
        }))
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_pre_check_stops_a_row_and_a_shim_repairs_it() {
    let matrix = Matrix::new().row("tag", &[("library", text(&tir()))]);
    let mut options = matrix.options();
    options.precheck = Some(&Blocks);
    let report = run_matrix(&options, &mut Quiet).unwrap();
    let stopped = failure(&report, "tag");
    assert_eq!(
        (stopped.class, stopped.stage),
        (Class::Precheck, Stage::LoadSet)
    );
    assert!(stopped.message.starts_with("AC101: "));
    assert_eq!(common::row(&report, "tag").runs, 0, "no foreign code ran");

    let repairs = Repairs(AtomicU32::new(0));
    for precheck in [Some(&Blocks as &dyn Precheck), None] {
        let mut options = matrix.options();
        options.precheck = precheck;
        options.shims = Some(&repairs);
        let report = run_matrix(&options, &mut Quiet).unwrap();
        let row = common::row(&report, "tag");
        assert!(matches!(row.outcome, Outcome::Passed), "{report:#?}");
        let shim = row.shim.as_ref().expect("a shim");
        assert_eq!(shim.description, "the sound library");
    }
    assert_eq!(repairs.0.load(Ordering::Relaxed), 2);
}
