//! AC206 duplicate-runtime: two registries, or two copies of LLVM, in one process.

use super::{Check, FolderContext, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::Binary;
use crate::finding::{Finding, Location, Severity};
use crate::parts::stem;
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
        let paths: Vec<&str> = duplicate
            .providers
            .iter()
            .filter_map(|index| load_set.members.get(*index))
            .map(|member| member.path.as_str())
            .collect();
        let Some(first) = paths.first() else { continue };
        let mut finding = Finding::new(&RULE, *first, format!("{} files of one load set hold a registry of their own", paths.len()))
            .severity(severity(&duplicate))
            .on(&load_set.name)
            .says("Global Function `...` is already registered / TypeAttr `__ffi_repr__` is already registered")
            .help("keep one copy: remove the other from the folder, or from what the parts and clients ask for");
        for path in &paths {
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

/// Two libraries that show an LLVM of their own to the whole process: the
/// second one loaded binds to the first one's functions. One of them must be
/// TVM's or use it; what else lies in a folder is nobody's business here.
fn check_llvm(context: &FolderContext<'_>, out: &mut Outcome) {
    let with_llvm: Vec<(&Artifact, &Binary, &str)> = context
        .artifacts
        .iter()
        .filter_map(|artifact| {
            let binary = artifact.binary.as_ref()?;
            Some((artifact, binary, binary.visible_llvm.as_deref()?))
        })
        .collect();
    let ours = with_llvm
        .iter()
        .filter(|(artifact, ..)| artifact.role != Role::Unrelated);
    for (artifact, binary, symbol) in ours {
        let rival = with_llvm.iter().find(|(other, other_binary, _)| {
            // The same library in another environment is no second copy.
            stem(&other.path) != stem(&artifact.path)
                && (other_binary.architecture, other_binary.platform)
                    == (binary.architecture, binary.platform)
        });
        let Some((rival, _, rival_symbol)) = rival else {
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
                .evidence(format!("{} exports {rival_symbol}", rival.path))
                .says("a crash while the second one is loaded, in LLVM's static initialisers; or `CommandLine Error: Option ... registered more than once!`")
                .help("load only one of them in a process, or use a TVM whose LLVM is hidden (0.25 and later) or linked with `-Wl,--exclude-libs,ALL`"),
        );
    }
}
