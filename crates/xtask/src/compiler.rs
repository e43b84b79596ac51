//! Which functions the compiler of a release registers:
//! `crates/inspect/data/compiler_functions.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use artcheck_inspect::container;

use artcheck_inspect::runtime::{PartKind, compiler};

use crate::wheels;

const HEAD: &str = "\
# Made by `cargo xtask release compiler`: the functions that TVM's compiler (libtvm_compiler
# of the wheels) registers. First the releases; then each name, with its releases where not
# all of them have it.
";

/// Adds the names of a release, in place of those that the list has of it.
pub fn add(paths: &[PathBuf]) -> anyhow::Result<()> {
    let wheels = wheels::read(paths)?;
    let members = wheels.platforms.values().flatten();
    let mut names = BTreeSet::new();
    for member in members.filter(|member| member.kind == PartKind::Compiler) {
        let path = member.path.path();
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        for parsed in container::parse(&bytes)? {
            match compiler::names(&parsed) {
                Some(read) => names.extend(read),
                None => eprintln!("note: not all of {} is read", path.display()),
            }
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = path.join("../inspect/data/compiler_functions.txt");
    let known = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let list = with(&known, &wheels.number, &names);
    std::fs::write(&path, list).with_context(|| path.display().to_string())?;
    eprintln!("wrote {} names of {}", names.len(), wheels.number);
    Ok(())
}

/// The list with a release.
fn with(list: &str, release: &str, names: &BTreeSet<String>) -> String {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let mut lines = lines.map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let mut all: BTreeSet<&str> = lines.next().unwrap_or_default().into_iter().collect();
    let mut having: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for words in lines {
        if let Some((name, releases)) = words.split_first() {
            let mut releases: BTreeSet<&str> = releases.iter().copied().collect();
            if releases.is_empty() {
                releases.clone_from(&all);
            }
            releases.remove(release);
            having.insert(name, releases);
        }
    }
    all.insert(release);
    for name in names {
        having.entry(name).or_default().insert(release);
    }
    let mut out = String::from(HEAD);
    let words = |words: &BTreeSet<&str>| words.iter().copied().collect::<Vec<_>>().join(" ");
    out.push_str(&format!("{}\n", words(&all)));
    for (name, releases) in having.iter().filter(|(_, releases)| !releases.is_empty()) {
        match *releases == all {
            true => out.push_str(&format!("{name}\n")),
            false => out.push_str(&format!("{name} {}\n", words(releases))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_added_and_replaced() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let list = with("", "0.1", &names(&["a", "b"]));
        let list = with(&list, "0.2", &names(&["a", "c"]));
        assert_eq!(list, format!("{HEAD}0.1 0.2\na\nb 0.1\nc 0.2\n"));
        let list = with(&list, "0.1", &names(&["c"]));
        assert_eq!(list, format!("{HEAD}0.1 0.2\na 0.2\nc\n"));
    }
}
