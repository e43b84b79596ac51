//! Changed artifacts on the real runtimes, in child processes: what fails
//! before runs after, with the numbers of the untouched original.

mod archives;

use crate::corpus;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, RELEASES, Release};
use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::scan::{self, GivenRuntime, ScanOptions};
use artcheck_patch::fix::{self, FixInput};
use artcheck_patch::inplace::convert::{self, ConvertOptions};
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Change, EditPlan, Output, Resign, Tag, apply};
use artcheck_patch::shim::Environment;

const IN_PLACE: Output = Output::InPlace {
    break_hard_link: false,
};

/// How far a model got on a runtime.
struct Run {
    /// Standard output: a line per stage, the last one telling tokens or an error.
    text: String,
    /// Every logit of prefill and decode, as the runtime gave them.
    logits: Option<Vec<u8>>,
}

impl Run {
    #[track_caller]
    fn logits(self) -> Vec<u8> {
        self.logits
            .unwrap_or_else(|| panic!("it did not get through: {}", self.text))
    }

    #[track_caller]
    fn failed_at(&self, stage: &str, words: &str) {
        let last = self.text.lines().last().unwrap_or_default();
        let ok = last.contains(&format!("\"stage\": \"{stage}\", \"ok\": false"))
            && last.contains(words);
        assert!(ok, "expected {words:?} at {stage}: {}", self.text);
        assert!(self.logits.is_none());
    }
}

fn run(release: &Release, file: &Path) -> Run {
    run_with(release, file, None)
}

fn run_with(release: &Release, file: &Path, preload: Option<&Path>) -> Run {
    let mut command = Command::new(release.python());
    command.arg(corpus::artifact("../build/run_pair.py"));
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    steps_of(command, file)
}

/// Four steps with a script that takes a file as `run_pair.py` does.
fn steps_of(mut command: Command, file: &Path) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let logits = folder.path().join("logits.npy");
    command
        .arg(file)
        .args(["--steps", "4", "--logits"])
        .arg(&logits);
    let output = common::output(&mut command);
    Run {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        logits: output
            .status
            .success()
            .then(|| std::fs::read(&logits).expect("logits")),
    }
}

/// A folder with copies that may be changed.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, bytes).expect("a file");
        file
    }
}

fn tir(bytes: &[u8]) -> Vec<u8> {
    let plan = retag::plan(bytes, &RetagOptions::to(Tag::Tir)).expect("a plan");
    corpus::as_compiled(&corpus::carried_out(bytes, &plan))
}

fn retag_in_place(file: &Path, runtime: Option<&RuntimeProfile>) -> EditPlan {
    let bytes = std::fs::read(file).expect("the file");
    let plan = retag::plan(
        &bytes,
        &RetagOptions {
            runtime,
            ..RetagOptions::to(Tag::Tirx)
        },
    )
    .expect("a plan");
    assert!(apply(file, &plan, &IN_PLACE).expect("a change").written);
    plan
}

/// Dense and hybrid, each runtime, both ways to find the byte.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn tir_models_run_after_retag_without_a_shim() {
    let bench = Bench::new();
    for release in RELEASES.iter() {
        for model in ["dense", "hybrid"] {
            let name = format!("tvm-{}/{model}-cpu-x86_64.so", release.tvm);
            let original = corpus::bytes(&name);
            let wanted = run(release, &corpus::artifact(&name)).logits();
            let file = bench.file(&format!("{}-{model}.so", release.tvm), &tir(&original));
            run(release, &file).failed_at("cache", "Cannot reach here");
            let plan = retag_in_place(&file, None);
            assert!(
                plan.libraries[0]
                    .changes
                    .contains(&Change::HeaderV1 { module: 0 })
            );
            assert!(run(release, &file).logits() == wanted, "{name}");
        }
        let name = format!("tvm-{}/dense-cpu-x86_64.so", release.tvm);
        let wanted = run(release, &corpus::artifact(&name)).logits();
        let file = bench.file(
            &format!("{}-text.so", release.tvm),
            &tir(&corpus::bytes(&name)),
        );
        let mut v2_only = corpus::release(&format!("tvm-{}", release.tvm));
        v2_only.vm_magics.value = Some([artcheck_inspect::vm::Magic::V2].into());
        let plan = retag_in_place(&file, Some(&v2_only));
        assert!(
            plan.libraries[0]
                .changes
                .iter()
                .any(|change| matches!(change, Change::ContextString { .. }))
        );
        assert!(
            run(release, &file).logits() == wanted,
            "{name} with a shorter text"
        );
    }
}

/// A library that was linked with the old tag, not changed by this crate.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_library_linked_with_the_old_tag_runs_after_retag() {
    let bench = Bench::new();
    let original = corpus::artifact("tvm-0.26/dense-ext-cpu-x86_64.so");
    let linked = corpus::bytes("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    for release in &RELEASES[1..] {
        let file = bench.file(&format!("on-{}.so", release.tvm), &linked);
        run(release, &file).failed_at("cache", "Cannot reach here");
        retag_in_place(&file, None);
        assert!(run(release, &file).logits() == run(release, &original).logits());
    }
}

/// What the real libraries of a release accept and offer.
fn as_read(release: &Release) -> RuntimeProfile {
    let sets = scan::runtimes_below(&[release.site_packages()]);
    let set = sets.into_iter().find(|set| set.holds_vm_runtime());
    set.expect("a runtime").profile
}

/// Every cell of the release table for a model without external calls, for
/// both tags, after `convert` and without a shim.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_cell_of_the_table_runs_after_convert() {
    let bench = Bench::new();
    let profiles: BTreeMap<&str, RuntimeProfile> = RELEASES
        .iter()
        .map(|release| (release.tvm, as_read(release)))
        .collect();
    for made in RELEASES.iter() {
        let name = format!("tvm-{}/dense-cpu-x86_64.so", made.tvm);
        let original = corpus::bytes(&name);
        let wanted = run(made, &corpus::artifact(&name)).logits();
        for tag in ["tirx", "tir"] {
            let bytes = if tag == "tir" {
                tir(&original)
            } else {
                original.clone()
            };
            for release in RELEASES.iter() {
                let cell = format!("{tag} of {} on {}", made.tvm, release.tvm);
                let file = bench.file("model.so", &bytes);
                let profile = &profiles[release.tvm];
                let plan = convert::plan(&bytes, profile, &ConvertOptions::default())
                    .unwrap_or_else(|error| panic!("{cell}: {error}"));
                let six_on_five = made.tvm == "0.27" && release.tvm != "0.27";
                assert_eq!(plan.is_empty(), tag == "tirx" && !six_on_five, "{cell}");
                // The tags are read before the config is.
                if tag == "tir" {
                    run(release, &file).failed_at("cache", "Cannot reach here");
                } else if six_on_five {
                    run(release, &file).failed_at("cache", "cache_config.size() == 5 (6 vs. 5)");
                }
                apply(&file, &plan, &IN_PLACE).expect("a change");
                assert!(run(release, &file).logits() == wanted, "{cell}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_hybrid_model_of_0_27_runs_on_older_runtimes_after_convert() {
    let bench = Bench::new();
    let name = "tvm-0.27/hybrid-cpu-x86_64.so";
    let bytes = corpus::bytes(name);
    let wanted = run(&RELEASES[2], &corpus::artifact(name)).logits();
    for release in &RELEASES[..2] {
        let file = bench.file(&format!("{}.so", release.tvm), &bytes);
        run(release, &file).failed_at("cache", "cache_config.size() == 5 (6 vs. 5)");
        let profile = corpus::release(&format!("tvm-{}", release.tvm));
        let plan = convert::plan(&bytes, &profile, &ConvertOptions::default()).expect("a plan");
        apply(&file, &plan, &IN_PLACE).expect("a change");
        assert!(run(release, &file).logits() == wanted, "on {}", release.tvm);
    }
}

/// TVM's own listing of a changed file is that of the original: it shows
/// constants by number, and nothing but constants changed.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn tvm_loads_every_retagged_linux_file() {
    let bench = Bench::new();
    for release in RELEASES.iter() {
        let folder = format!("tvm-{}/", release.tvm);
        let names: Vec<String> = corpus::tagged()
            .into_iter()
            .filter(|name| name.starts_with(&folder) && name.ends_with("cpu-x86_64.so"))
            .collect();
        assert!(names.len() >= 3, "{names:?}");
        let mut originals = Vec::new();
        let mut changed = Vec::new();
        for name in &names {
            let original = corpus::bytes(name);
            let there = tir(&original);
            let back = retag::plan(&there, &RetagOptions::to(Tag::Tirx)).expect("a plan");
            let stem = name.replace('/', "-");
            originals.push(bench.file(&format!("{stem}-original.so"), &original));
            changed.push(bench.file(&format!("{stem}-tir.so"), &there));
            changed.push(bench.file(
                &format!("{stem}-back.so"),
                &corpus::carried_out(&there, &back),
            ));
        }
        let listings = |files: &[PathBuf]| -> Vec<String> {
            let text = common::succeed(
                Command::new(release.python())
                    .arg(common::fixture("programs/load_all.py"))
                    .args(files),
            );
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(_, hash)| hash.to_owned())
                .collect()
        };
        let originals = listings(&originals);
        assert_eq!(originals.len(), names.len());
        let doubled: Vec<String> = originals
            .iter()
            .flat_map(|hash| [hash.clone(), hash.clone()])
            .collect();
        assert_eq!(listings(&changed), doubled);
    }
}

/// LIEF reads the load commands, a few lines of Python hash the pages.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn changed_macho_files_pass_an_independent_signature_check() {
    let bench = Bench::new();
    let check = |old: &Path, new: &Path| {
        Command::new(common::part("venv/tools/bin/python"))
            .arg(common::fixture("programs/check_macho.py"))
            .args([old, new])
            .output()
            .expect("python")
    };
    let names: Vec<String> = corpus::tagged()
        .into_iter()
        .filter(|name| name.ends_with(".dylib"))
        .collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in &names {
        let old = corpus::bytes(name);
        let there = retag::plan(&old, &RetagOptions::to(Tag::Tir)).expect("a plan");
        let tir = there.apply_to(&old).expect("fits");
        // Without a receipt the byte back has to be found elsewhere.
        let back = retag::plan(&tir, &RetagOptions::to(Tag::Tirx)).expect("a plan");
        let older = convert::plan(
            &old,
            &corpus::release("tvm-0.23"),
            &ConvertOptions {
                partial: true,
                ..ConvertOptions::default()
            },
        );
        let older = older.expect("a plan").apply_to(&old).expect("fits");
        let original = bench.file("old.dylib", &old);
        for (what, new) in [
            ("tir", &tir),
            ("tirx", &back.apply_to(&tir).expect("fits")),
            ("0.23", &older),
        ] {
            let output = check(&original, &bench.file("new.dylib", new));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{name} to {what}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(text.contains("page hashes match"), "{text}");
        }
        // The check can fail: a page without its new hash.
        let mut unsigned = tir.clone();
        let first = there.edits.first().expect("an edit");
        unsigned[first.offset as usize] ^= 1;
        assert!(
            !check(&original, &bench.file("new.dylib", &unsigned))
                .status
                .success()
        );
    }
}

/// A library of 0.25 with an external call crashes on 0.27 without a word. The
/// plan needs a shim, which takes the tag over too; nothing of the file changes.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn fix_builds_the_shim_that_a_library_needs() {
    let bench = Bench::new();
    let (made, newest) = (&RELEASES[0], &RELEASES[2]);
    let original = corpus::artifact("tvm-0.25/dense-ext-cpu-x86_64.so");
    let wanted = run(made, &original).logits();
    let bytes = tir(&corpus::bytes("tvm-0.25/dense-ext-cpu-x86_64.so"));
    let file = bench.file("model.so", &bytes);
    assert!(run(newest, &file).logits.is_none());

    let runtime_paths = [newest.site_packages()];
    let runtime = as_read(newest);
    let given = GivenRuntime {
        profile: runtime.clone(),
        load_set: None,
    };
    let options = ScanOptions {
        paths: vec![file.clone()],
        runtimes: vec![given],
        ..ScanOptions::default()
    };
    let findings = scan::scan(&options, &()).expect("threads").findings;
    let input = FixInput {
        file: &file,
        bytes: &bytes,
        findings: &findings,
        undecided: &[],
        runtime: &runtime,
        runtime_paths: &runtime_paths,
        provides: &std::collections::BTreeSet::new(),
        with: &[],
        resign: Resign::Keep,
        shim_out: None,
    };
    let plan = fix::plan(&input);
    assert_eq!(plan.shim_parts, ["attention-tag", "context-slots"]);
    let shim = bench.0.path().join("libshim.so");
    let environment = Environment {
        cxx: Some(common::zig().join(" ")),
        zig: None,
        path: None,
    };
    let fixed =
        fix::apply(&plan, &runtime_paths, Some(&shim), &IN_PLACE, &environment).expect("done");
    assert!(fixed.in_place.is_none() && fixed.shim.is_some());
    assert!(std::fs::read(&file).expect("the file") == bytes);
    assert!(run_with(newest, &file, Some(&shim)).logits() == wanted);
}
