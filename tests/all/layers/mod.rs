//! Layers: in no crate do files or modules depend on each other in a circle.
//!
//! What is held: for every module, take its own file and each of its children
//! (a child with everything below it) as one point. A point depends on another
//! when a file of the first names something that a file of the second defines.
//! These dependencies must have no circle. So a parent may use its children or
//! be used by them, not both; and where a folder is one thing seen from
//! outside, it is one layer.
//!
//! - `mod x;` is no dependency, nor is `pub use x::Y` of a name that the file
//!   does not use itself: that is how a module shows its front. Who names `Y`
//!   through that front depends on the file that defines it.
//! - What only `#[cfg(test)]` sees does not count.
//! - Methods are found with their types: calling `value.method()` names nothing.

mod tokens;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use self::tree::{Module, Tree};

/// The roots of every crate of the workspace.
fn roots() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(workspace.join("crates")).expect("crates");
    let crates = crates.map(|entry| entry.expect("an entry").path());
    let folders = crates.chain([workspace.to_owned()]);
    let mut roots: Vec<PathBuf> = folders
        .flat_map(|folder| ["src/lib.rs", "src/main.rs"].map(|root| folder.join(root)))
        .filter(|root| root.exists())
        .collect();
    roots.sort();
    roots
}

/// The circles of a crate, each as `module: a -> b -> a`, with one pair of files
/// for each step.
fn circles(tree: &Tree) -> Vec<String> {
    let dependencies = tree.dependencies();
    let mut found = Vec::new();
    for module in tree.modules() {
        let mut steps: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
        for (from, targets) in &dependencies {
            for to in targets {
                if let (Some(a), Some(b)) = (point(module, from), point(module, to))
                    && a != b
                {
                    let files = format!("{} uses {}", from.join("::"), to.join("::"));
                    steps.entry(a).or_default().entry(b).or_insert(files);
                }
            }
        }
        let name = if module.is_empty() {
            "crate".to_owned()
        } else {
            module.join("::")
        };
        let mut told = BTreeSet::new();
        for start in steps.keys() {
            if told.contains(start) {
                continue;
            }
            if let Some(circle) = circle_from(start, &steps) {
                told.extend(circle.iter().copied());
                let path = circle.join(" -> ");
                let ends = circle.iter().skip(1).chain(&circle[..1]);
                let lines = circle
                    .iter()
                    .zip(ends)
                    .filter_map(|(a, b)| steps.get(a)?.get(b));
                let lines: Vec<String> = lines.map(|line| format!("\n    {line}")).collect();
                found.push(format!("{name}: {path} -> {start}{}", lines.concat()));
            }
        }
    }
    found
}

/// Which point of `module` a file is part of: the module's own file (``), or the
/// child that it is in.
fn point<'a>(module: &Module, file: &'a Module) -> Option<&'a str> {
    let below = file.strip_prefix(module.as_slice())?;
    Some(below.first().map_or("", String::as_str))
}

/// The shortest way from a point back to itself.
fn circle_from<'a>(
    start: &&'a str,
    steps: &BTreeMap<&'a str, BTreeMap<&'a str, String>>,
) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![*start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let last = way.last()?;
        for next in steps.get(last).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[test]
fn no_module_depends_on_itself_through_others() {
    let mut found = Vec::new();
    for root in roots() {
        let tree = Tree::read(&root);
        let name = root
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .expect("inside");
        assert!(
            tree.dependencies().values().any(|named| !named.is_empty()),
            "{}",
            name.display()
        );
        found.extend(
            circles(&tree)
                .into_iter()
                .map(|circle| format!("{} {circle}", name.display())),
        );
    }
    assert!(
        found.is_empty(),
        "{} circles:\n{}",
        found.len(),
        found.join("\n")
    );
}
