//! The device half of AC205: what the part of the runtime that runs a library's kernels, or
//! has functions that it calls, needs of the machine. Without that the part does not load,
//! and nothing of it is registered.

use std::collections::BTreeSet;

use super::wanted::{User, Wanted, wanted};
use super::{Binding, Outcome, Rule};
use crate::finding::{Finding, Severity};
use crate::module::{Blob, ModelLibrary, Payload};
use crate::parts::PartKind;
use crate::runtime::load_set::LoadSet;
use crate::runtime::member::Member;
use crate::runtime::messages;
use crate::vm::FunctionKind;

/// What a library asks of a part.
#[derive(Clone, Copy)]
enum Asked<'a> {
    /// A loader for kernels of this kind.
    Loader(&'a str),
    /// The function of this name.
    Function(&'a str),
}

impl Asked<'_> {
    fn said(self, names: &str, verb: &str, is_here: bool) -> String {
        match (self, is_here) {
            (Self::Loader(kind), true) => {
                format!("its `{kind}` kernels cannot be loaded: {names} {verb} not there")
            }
            (Self::Loader(kind), false) => {
                format!("its `{kind}` kernels run only where the machine has {names}")
            }
            (Self::Function(name), true) => {
                format!("it calls `{name}`, which is not registered: {names} {verb} not there")
            }
            (Self::Function(name), false) => {
                format!("it calls `{name}`, which is there only where the machine has {names}")
            }
        }
    }

    fn words(self, binding: &Binding<'_>) -> Option<String> {
        let (key, value) = match self {
            Self::Loader(kind) => ("missing-loader", ("kind", kind)),
            Self::Function(name) => ("missing-function", ("name", name)),
        };
        messages::of_runtime(key, binding.runtime, &[value])
    }
}

pub(super) fn check(
    rule: &'static Rule,
    binding: &Binding<'_>,
    load_set: &LoadSet,
    out: &mut Outcome,
) {
    for (part, asked) in asked(binding, load_set) {
        let wanted = wanted(&User {
            place: &part.path,
            binary: &part.binary,
            runtime: &load_set.name,
            machine: load_set.machine.as_deref(),
            is_certain: false,
            is_model: false,
            is_program: false,
            members: &[],
            known: binding.known,
        });
        if let Some(finding) = finding(rule, binding, load_set, (part, asked), &wanted) {
            out.push(finding);
        }
        if load_set.machine.is_none() {
            wanted.iter().for_each(|one| out.need(one.need()));
        }
    }
}

/// What is asked of parts for devices: of each kind of kernels the loader, and of a part
/// that no kernels ask for the first function.
fn asked<'a>(binding: &Binding<'a>, load_set: &'a LoadSet) -> Vec<(&'a Member, Asked<'a>)> {
    let part = |key: &str| {
        let part = binding.runtime.provided_by.get(key)?;
        let mut members = load_set.members.iter();
        members.find(|member| member.path.to_string() == *part)
    };
    let libraries = binding.artifact.libraries.iter();
    let read = libraries.filter_map(|library| Some((library, library.blob.as_ref().ok()?)));
    let modules = read.clone().flat_map(|(_, blob)| &blob.modules);
    let devices = modules.filter(|module| matches!(module.payload, Payload::Device(_)));
    let kinds: BTreeSet<&str> = devices.map(|module| module.kind.as_str()).collect();
    let kinds = kinds.into_iter();
    let loaders =
        kinds.filter_map(|kind| Some((part(&format!("loader:{kind}"))?, Asked::Loader(kind))));
    let mut asked: Vec<(&Member, Asked<'_>)> = loaders.collect();
    let called: BTreeSet<&str> = read
        .flat_map(|(library, blob)| called(library, blob))
        .collect();
    for name in called {
        let part = part(name).filter(|part| matches!(part.kind, PartKind::RuntimeDevice(_)));
        let is_new = |part: &&Member| !asked.iter().any(|(known, _)| known.path == part.path);
        if let Some(part) = part.filter(is_new) {
            asked.push((part, Asked::Function(name)));
        }
    }
    asked
}

/// What a library calls by name, its own functions with it.
fn called<'a>(library: &'a ModelLibrary, blob: &'a Blob) -> impl Iterator<Item = &'a str> {
    let functions = blob
        .executables()
        .flat_map(|(_, executable)| &executable.functions);
    let packed = functions.filter(|function| function.kind == FunctionKind::Packed);
    let callees = library.host_callees.iter().map(String::as_str);
    packed.map(|function| function.name.as_str()).chain(callees)
}

fn finding(
    rule: &'static Rule,
    binding: &Binding<'_>,
    load_set: &LoadSet,
    (part, asked): (&Member, Asked<'_>),
    wanted: &[Wanted<'_>],
) -> Option<Finding> {
    let first = wanted.first()?;
    let names: Vec<&str> = wanted.iter().map(|one| one.name).collect();
    let (verb, them) = match names.len() {
        1 => ("is", "it"),
        _ => ("are", "them"),
    };
    let names = names.join(", ");
    let is_here = load_set.machine.is_some();
    let message = asked.said(&names, verb, is_here);
    let mut finding = Finding::new(rule, &binding.artifact.path, message)
        .on(&load_set.name)
        .evidence(format!(
            "{} needs {them}, and TVM skips it silently where {names} {verb} not found",
            part.path
        ))
        .help(first.help());
    finding = match is_here {
        true => finding.says_known(asked.words(binding)),
        false => finding.severity(Severity::Info),
    };
    let others = wanted.iter().skip(1);
    Some(others.fold(finding, |finding, one| finding.evidence(one.help())))
}
