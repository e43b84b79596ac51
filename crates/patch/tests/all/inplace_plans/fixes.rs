//! Plans of repairs from findings.

use std::path::{Path, PathBuf};

use artcheck_inspect::rules;
use artcheck_inspect::runtime::RuntimeProfile;
use artcheck_inspect::scan::{self, GivenRuntime, ScanOptions};
use artcheck_inspect::{Finding, Repair, Undecided};
use artcheck_patch::fix::{self, FixError, FixInput, FixPlan};
use artcheck_patch::inplace::Output;
use artcheck_patch::shim::Environment;

use super::*;

fn findings(file: &std::path::Path, runtime: &RuntimeProfile) -> Vec<Finding> {
    let given = GivenRuntime {
        profile: runtime.clone(),
        load_set: None,
    };
    let options = ScanOptions {
        paths: vec![file.to_owned()],
        runtimes: vec![given],
        ..ScanOptions::default()
    };
    scan::scan(&options, &()).expect("threads").findings
}

fn plan(name: &str, runtime: &str, paths: &[PathBuf]) -> FixPlan {
    plan_of(&artifact(name), runtime, paths)
}

fn plan_of(file: &Path, runtime: &str, paths: &[PathBuf]) -> FixPlan {
    let runtime = release(runtime);
    let input = FixInput {
        file,
        bytes: &std::fs::read(file).expect("the file"),
        findings: &findings(file, &runtime),
        undecided: &[],
        runtime: &runtime,
        runtime_paths: paths,
        provides: &std::collections::BTreeSet::new(),
        with: &[],
        resign: Resign::Keep,
        shim_out: None,
    };
    fix::plan(&input)
}

/// A runtime that takes a config of five alone may reject what is not known: the shim
/// decides at load. One that takes six as well needs none. Neither counts as healthy.
#[test]
fn what_is_not_known_asks_for_the_shim_where_it_may_matter() {
    let file = artifact("tvm-0.26/dense-cpu-x86_64.so");
    let undecided = [rules::KV_CACHE_CONFIG, rules::MISSING_FUNCTION].map(|rule| Undecided {
        rule,
        why: "not followed".to_owned(),
        is_limit: false,
        place: None,
    });
    for (name, parts) in [("tvm-0.26", vec!["cache-config"]), ("tvm-0.27", vec![])] {
        let runtime = release(name);
        let plan = fix::plan(&FixInput {
            file: &file,
            bytes: &std::fs::read(&file).expect("the file"),
            findings: &[],
            undecided: &undecided,
            runtime: &runtime,
            runtime_paths: &[],
            provides: &std::collections::BTreeSet::new(),
            with: &[],
            resign: Resign::Keep,
            shim_out: None,
        });
        assert_eq!(plan.shim_parts, parts, "{name}");
        assert_eq!(plan.unknown.len(), 2, "{name}");
        assert!(plan.describe().contains("not known: AC105"), "{name}");
    }
}

#[test]
fn what_can_be_exact_is_done_in_place() {
    let plan = plan("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.26", &[]);
    assert!(plan.refused.is_empty() && plan.shim_parts.is_empty());
    let ways: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.way, &step.rules[..]))
        .collect();
    assert_eq!(ways, [(Repair::InPlace, &[rules::KV_CACHE_CONFIG][..])]);
    let json = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(json["schema"], "artcheck/fix-plan-v1");
    assert_eq!(json["steps"][0]["way"], "in-place");

    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("fixed.so");
    let fixed = fix::apply(
        &plan,
        &[],
        None,
        &Output::File(out.clone()),
        &Environment::of_process(),
    );
    assert!(fixed.expect("done").in_place.expect("a change").written);
    assert!(
        findings(&out, &release("tvm-0.26"))
            .iter()
            .all(|finding| finding.rule != rules::KV_CACHE_CONFIG)
    );
}

#[test]
fn layers_that_slide_on_their_own_are_refused_by_every_way() {
    let folder = tempfile::tempdir().expect("a folder");
    // Compiled for another mask, and with a window that the older runtime cannot compute.
    for (name, runtime, rule) in [
        ("tvm-0.26/dense-cpu-x86_64.so", "tvm-0.27", "AC108"),
        ("tvm-0.25/dense-cpu-x86_64.so", "tvm-0.27", "AC108"),
        ("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.26", "AC105"),
    ] {
        let slides = sliding(&bytes(name));
        let file = folder.path().join("sliding.so");
        std::fs::write(&file, &slides).expect("written");
        for paths in [&[][..], &[PathBuf::from("site-packages")]] {
            let plan = plan_of(&file, runtime, paths);
            assert!(plan.steps.is_empty(), "{name}: {:?}", plan.steps);
            assert!(plan.shim_parts.is_empty(), "{name}: {:?}", plan.shim_parts);
            let refused: Vec<_> = plan
                .refused
                .iter()
                .filter_map(|it| Some(it.rule?.code))
                .collect();
            assert_eq!(refused, [rule], "{name}");
            assert!(plan.refused[0].remedy.contains("compile the library"));
        }
        let error = convert::plan(&slides, &release(runtime), &ConvertOptions::default())
            .expect_err("a layer that slides");
        assert!(error.to_string().contains(rule), "{name}: {error}");
        // The same library as it was compiled has no such layer.
        assert!(plan(name, runtime, &[]).refused.is_empty(), "{name}");
    }
}

#[test]
fn what_a_shim_must_do_it_does_alone() {
    let name = "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";
    let runtime = [PathBuf::from("site-packages")];
    let with_files = plan(name, "tvm-0.25", &runtime);
    assert_eq!(with_files.shim_parts, ["attention-tag", "context-slots"]);
    assert!(with_files.in_place.is_empty(), "one repair instead of two");
    assert_eq!(with_files.steps.len(), 1);
    assert!(
        with_files
            .describe()
            .contains("$ artcheck patch shim --runtime site-packages --for ")
    );
    // Without the runtime's files the shim is a thing for later.
    let without = plan(name, "tvm-0.25", &[]);
    assert_eq!(without.in_place.len(), 1);
    assert_eq!(without.shim_parts, ["context-slots"]);
    let error = fix::apply(
        &without,
        &[],
        None,
        &Output::InPlace {
            break_hard_link: false,
        },
        &Environment::of_process(),
    );
    assert!(matches!(error, Err(FixError::NoRuntimeFiles)));
    let error = fix::apply(
        &with_files,
        &runtime,
        None,
        &Output::InPlace {
            break_hard_link: false,
        },
        &Environment::of_process(),
    );
    assert!(matches!(error, Err(FixError::NoShimPath)));
}

#[test]
fn what_nothing_can_repair_is_refused_with_the_remedy() {
    let plan = plan(
        "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so",
        "tvm-0.26",
        &[],
    );
    let refused: Vec<&str> = plan
        .refused
        .iter()
        .filter_map(|refusal| Some(refusal.rule?.code))
        .collect();
    assert_eq!(refused, ["AC103"]);
    assert!(!plan.refused[0].remedy.is_empty());
    let text = plan.describe();
    assert!(text.contains("cannot be fixed: AC103: "), "{text}");
    let error = fix::apply(
        &plan,
        &[],
        None,
        &Output::InPlace {
            break_hard_link: false,
        },
        &Environment::of_process(),
    );
    assert!(matches!(error, Err(FixError::Refused(_))));
}

#[test]
fn a_healthy_library_needs_nothing() {
    let plan = plan("tvm-0.26/dense-cpu-x86_64.so", "tvm-0.26", &[]);
    assert!(plan.is_empty());
    assert!(plan.describe().ends_with("  nothing to fix\n"));
}

#[test]
fn hashes_that_do_not_match_are_renewed() {
    let name = "tvm-0.26/dense-metal-macos-arm64.dylib";
    let mut broken = bytes(name);
    let at = library(&broken).file_offset as usize + 3000;
    broken[at] ^= 1;
    let finding = Finding::new(
        rules::SIGNATURE,
        Path::new(name),
        "page hashes do not match",
    )
    .severity(artcheck_inspect::Severity::Error)
    .repair(&[Repair::InPlace]);
    let runtime = release("tvm-0.26");
    let file = artifact(name);
    let input = FixInput {
        file: &file,
        bytes: &broken,
        findings: &[finding],
        undecided: &[],
        runtime: &runtime,
        runtime_paths: &[],
        provides: &std::collections::BTreeSet::new(),
        with: &[],
        resign: Resign::Keep,
        shim_out: None,
    };
    let plan = fix::plan(&input);
    assert_eq!(plan.steps[0].rules, [rules::SIGNATURE]);
    carried_out(&broken, &plan.in_place[0]);
}
