//! Plans of changes in place, on the corpus: what changes, what comes back,
//! what is refused.

mod common;

use std::path::{Path, PathBuf};

use artcheck_inspect::container;
use artcheck_inspect::module::locate;
use artcheck_inspect::runtime::{RuntimeProfile, release};
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Change, EditPlan, PlanError, Tag, convert, recheck};

fn artifact(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    let path = artifact(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn to(tag: Tag) -> RetagOptions<'static> {
    RetagOptions::to(tag)
}

fn release(name: &str) -> &'static RuntimeProfile {
    release::by_name(name).unwrap_or_else(|| panic!("{name} is in the release table"))
}

#[track_caller]
fn carried_out(old: &[u8], plan: &EditPlan) -> Vec<u8> {
    let new = plan.apply_to(old).expect("the plan fits its file");
    recheck::check(old, &new, plan).expect("the second reader agrees");
    assert_eq!(plan.undo_from(&new).as_deref(), Some(old));
    new
}

/// Every corpus file whose KV cache has tags.
fn tagged() -> Vec<String> {
    let mut found = Vec::new();
    for release in ["tvm-0.25", "tvm-0.26", "tvm-0.27"] {
        for entry in std::fs::read_dir(artifact(release)).expect("the corpus") {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let binary = [".so", ".dylib", ".dll"].iter().any(|suffix| name.ends_with(suffix));
            if binary && (name.starts_with("dense") || name.starts_with("hybrid")) {
                found.push(format!("{release}/{name}"));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    found
}

fn listing(bytes: &[u8]) -> String {
    let mut text = String::new();
    for parsed in container::parse(bytes).expect("a binary") {
        for library in locate::find(&parsed) {
            for (_, executable) in library.blob.expect("a blob").executables() {
                text.push_str(&disassemble(executable).expect("a listing"));
                for constant in &executable.constants {
                    text.push_str(&format!("{:?}\n", constant.value));
                }
            }
        }
    }
    text
}

#[test]
fn there_and_back_gives_the_same_bytes() {
    for name in tagged() {
        let old = bytes(&name);
        let there = retag::plan(&old, &to(Tag::Tir)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tir = carried_out(&old, &there);
        assert_eq!(tir.len(), old.len(), "{name}");
        let again = retag::plan(&tir, &to(Tag::Tir)).expect("a tagged file");
        assert!(again.is_empty(), "{name}: patching twice changes nothing");
        let mut options = to(Tag::Tirx);
        options.rooms = there.room;
        let back = retag::plan(&tir, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(carried_out(&tir, &back), old, "{name}");
    }
}

#[test]
fn only_the_tag_differs_in_the_listing() {
    for name in tagged() {
        let old = bytes(&name);
        let new = carried_out(&old, &retag::plan(&old, &to(Tag::Tir)).expect("a plan"));
        let before = listing(&old);
        let after = listing(&new);
        assert_ne!(before, after, "{name}");
        assert_eq!(before.replace("String(\"tirx\")", "String(\"tir\")"), after, "{name}");
    }
}
