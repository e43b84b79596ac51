//! AC206 duplicate-runtime: two registries, or two copies of LLVM, in one process.

use std::collections::BTreeMap;

use super::{Check, FolderContext, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Architecture, Binary, Platform};
use crate::finding::{Finding, Location, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::stem;
use crate::place::Place;
use crate::runtime::load_set::{Duplicate, LoadSet};

pub(super) static RULE: Rule = Rule {
    code: "AC206",
    name: "duplicate-runtime",
    severity: Severity::Error,
    summary: "two providers of the same registry in one load set, or two libraries with a visible LLVM",
    explain: include_str!("ac206_duplicate_runtime.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::LoadSet(check), Check::Folder(check_llvm)];

fn check(load_set: &LoadSet, out: &mut Outcome) {
    for duplicate in load_set.duplicates() {
        let paths: Vec<&Place> = duplicate
            .providers
            .iter()
            .filter_map(|index| load_set.members.get(*index))
            .map(|member| &member.path)
            .collect();
        let Some(first) = paths.first() else { continue };
        let mut finding = Finding::new(&RULE, *first, format!("{} files of one load set hold a registry of their own", paths.len()))
            .severity(match load_set.is_static() {
                true => Severity::Error,
                false => severity(&duplicate),
            })
            .on(&load_set.name)
            .says(match load_set.is_static() {
                true => "multiple definition / duplicate symbol; without whole archives one is left out, unseen",
                false => "Global Function `...` is already registered / TypeAttr `__ffi_repr__` is already registered",
            })
            .help("keep one copy: remove the other from the folder, or from what the parts and clients ask for");
        for path in paths.iter().take(MAX_FINDINGS) {
            finding = finding.evidence(format!("{path} defines {}", duplicate.symbols.join(", ")));
        }
        for symbol in &duplicate.symbols {
            finding = finding.at(Location {
                symbol: Some(symbol.clone()),
                ..Location::default()
            });
        }
        out.push(finding);
    }
}

/// Two that something asks for end up in one process; one that nobody asks
/// for may just lie there.
fn severity(duplicate: &Duplicate) -> Severity {
    if duplicate.needed.len() > 1 {
        Severity::Error
    } else {
        Severity::Warning
    }
}

/// A library that shows its LLVM.
struct Rival<'a> {
    stem: String,
    place: &'a Place,
    symbol: &'a str,
}

fn name_of(artifact: &Artifact) -> String {
    stem(&artifact.path.name()).to_owned()
}

/// Two libraries that show an LLVM of their own to the whole process: the
/// second one loaded binds to the first one's functions. One of them must be
/// TVM's or use it; what else lies in a folder is nobody's business here.
fn check_llvm(context: &FolderContext<'_>, out: &mut Outcome) {
    let with_llvm: Vec<(&Artifact, &Binary, &str)> = context
        .artifacts
        .iter()
        .filter_map(|artifact| {
            let binary = artifact.binary.as_ref()?;
            Some((artifact, &**binary, binary.visible_llvm.as_deref()?))
        })
        .collect();
    // The first of a platform, and the first under another name: one of them is
    // the rival of any other.
    let mut rivals: BTreeMap<(Architecture, Platform), Vec<Rival<'_>>> = BTreeMap::new();
    for (artifact, binary, symbol) in &with_llvm {
        let here = rivals
            .entry((binary.architecture, binary.platform))
            .or_default();
        let stem = name_of(artifact);
        if here.len() < 2 && here.iter().all(|known| known.stem != stem) {
            here.push(Rival {
                stem,
                place: &artifact.path,
                symbol,
            });
        }
    }
    let ours = with_llvm
        .iter()
        .filter(|(artifact, ..)| artifact.role != Role::Unrelated);
    for (artifact, binary, symbol) in ours {
        let here = rivals.get(&(binary.architecture, binary.platform));
        // The same library in another environment is no second copy.
        let other = |rival: &&Rival<'_>| rival.stem != name_of(artifact);
        let Some(rival) = here.into_iter().flatten().find(other) else {
            continue;
        };
        out.push(
            Finding::new(&RULE, &artifact.path, "two libraries show an LLVM of their own to the whole process")
                .severity(Severity::Warning)
                .at(Location {
                    symbol: Some((*symbol).to_owned()),
                    ..Location::default()
                })
                .evidence(format!("{} exports {symbol}", artifact.path))
                .evidence(format!("{} exports {}", rival.place, rival.symbol))
                .says("a crash while the second one is loaded, in LLVM's static initialisers; or `CommandLine Error: Option ... registered more than once!`")
                .help("load only one of them in a process, or use a TVM whose LLVM is hidden or linked with `-Wl,--exclude-libs,ALL`"),
        );
    }
}
