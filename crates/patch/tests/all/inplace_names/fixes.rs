//! `fix` finds and settles what lies around the program.

use artcheck_inspect::Repair;
use artcheck_inspect::scan::{self, GivenRuntime, ScanOptions};
use artcheck_patch::fix::{self, FixInput, FixPlan};
use artcheck_patch::shim::Environment;

use super::*;
use crate::corpus::{self, bytes, release};

/// The plan for one file, with what a scan of its folder found in it.
fn plan(file: &Path, runtime: &str) -> FixPlan {
    let runtime = release(runtime);
    let options = ScanOptions {
        paths: vec![file.parent().expect("a folder").to_owned()],
        runtimes: vec![GivenRuntime {
            profile: runtime.clone(),
            load_set: None,
        }],
        ..ScanOptions::default()
    };
    let scan = scan::scan(&options, &()).expect("threads");
    let of_file = |finding: &&_| {
        let finding: &artcheck_inspect::Finding = finding;
        finding.artifact.path() == file
    };
    let findings: Vec<_> = scan.findings.iter().filter(of_file).cloned().collect();
    let bytes = std::fs::read(file).expect("the file");
    fix::plan(&FixInput {
        file,
        bytes: &bytes,
        findings: &findings,
        undecided: &[],
        runtime: &runtime,
        runtime_paths: &[],
        provides: &std::collections::BTreeSet::new(),
        with: &[],
        resign: Resign::Keep,
        shim_out: None,
    })
}

fn apply(plan: &FixPlan) {
    let in_place = Output::InPlace {
        break_hard_link: false,
    };
    fix::apply(plan, &[], None, &in_place, &Environment::of_process()).expect("done");
}

fn ways(plan: &FixPlan) -> Vec<(Repair, Vec<&str>)> {
    let steps = plan.steps.iter();
    steps
        .map(|step| (step.way, step.rules.iter().map(|rule| rule.code).collect()))
        .collect()
}

#[test]
fn an_unsigned_model_of_another_release_is_converted_and_signed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.dylib");
    let bare = signatures::unsigned(&bytes("tvm-0.27/dense-metal-macos-arm64.dylib"));
    std::fs::write(&file, &bare).expect("a file");
    let plan = plan(&file, "tvm-0.26");
    assert!(plan.refused.is_empty(), "{}", plan.describe());
    assert_eq!(
        ways(&plan),
        [
            (Repair::InPlace, vec!["AC105"]),
            (Repair::InPlace, vec!["AC004"])
        ]
    );
    apply(&plan);
    let after = super::fixes::plan(&file, "tvm-0.26");
    assert!(after.is_empty(), "{}", after.describe());
    inplace::unpatch(&file, false).expect("restored");
    assert!(std::fs::read(&file).expect("the file") == bare);
}

#[test]
fn a_changed_page_is_settled_by_the_change_that_signs_anyway() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.dylib");
    let mut broken = bytes("tvm-0.27/dense-metal-macos-arm64.dylib");
    let at = corpus::library(&broken).file_offset as usize;
    let section = broken[..at].len() - 1; // the byte in front of the blob
    broken[section] ^= 1;
    std::fs::write(&file, &broken).expect("a file");
    let plan = plan(&file, "tvm-0.26");
    assert_eq!(ways(&plan), [(Repair::InPlace, vec!["AC105", "AC004"])]);
    apply(&plan);
    assert!(super::fixes::plan(&file, "tvm-0.26").is_empty());
}

#[test]
fn a_name_that_differs_in_dashes_alone_is_written_and_another_is_not_guessed() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = corpus::artifact("tvm-0.27/extcall-cpu-ios.tar");
    std::fs::copy(library, folder.path().join("model.tar")).expect("copied");
    let file = folder.path().join("mlc-app-config.json");
    let config = |name: &str| format!("{{\"model_list\": [{{\"model_lib\":   \"{name}\"}}]}}");
    std::fs::write(&file, config("artcheck-extcall")).expect("a file");
    let plan = plan(&file, "tvm-0.27");
    assert_eq!(ways(&plan), [(Repair::InPlace, vec!["AC208"])]);
    assert_eq!(
        plan.steps[0].command,
        format!(
            "artcheck patch model-lib {} --from artcheck-extcall --to artcheck_extcall --in-place",
            file.display()
        )
    );
    apply(&plan);
    let now = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(now, config("artcheck_extcall"));
    assert!(super::fixes::plan(&file, "tvm-0.27").is_empty());

    std::fs::write(&file, config("another")).expect("a file");
    let plan = super::fixes::plan(&file, "tvm-0.27");
    assert!(plan.steps.is_empty());
    assert!(
        plan.refused[0].remedy.contains("artcheck patch model-lib"),
        "{}",
        plan.describe()
    );
}
