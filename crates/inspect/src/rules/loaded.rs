//! What is wrong with the libraries that a file loads beside TVM's and the system's, told at
//! the file: the symbols half of it, which is AC203's.

use std::path::Path;
use std::sync::Arc;

use super::{Binding, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Binary, BinaryKind, ForeignSymbol};
use crate::finding::{Finding, Location, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::runtime::dependencies::{self, Closure, Dependency};
use crate::runtime::elsewhere::RELEASED;
use crate::runtime::{messages, system};

/// Tells what was found of a library that is loaded for a file at the file.
pub(super) fn tell(place: &Place, library: &Place, own: Outcome, out: &mut Outcome) {
    let findings = own.findings.into_iter().take(MAX_FINDINGS);
    for finding in findings {
        let why = format!("{library} asks for it, which is loaded with this file");
        out.push(finding.in_place(place).evidence(why));
    }
    out.undecided.extend(own.undecided);
}

/// Symbols that those libraries ask for and that nothing in the process defines.
pub(super) fn symbols(rule: &'static Rule, binding: &Binding<'_>, out: &mut Outcome) {
    let closure = binding.closure();
    if closure.libraries.is_empty() {
        return;
    }
    let kind = binding.artifact.binary.as_ref().map(|binary| binary.kind);
    let is_last = binding.artifact.role == Role::ModelLibrary || kind == Some(BinaryKind::Program);
    // Where a library is not found, AC205 says so, and it may define anything.
    let (lacking, of_system) = lacking(binding, &closure).unwrap_or_default();
    for (library, symbols) in lacking {
        let Some(first) = symbols.first() else {
            continue;
        };
        if let Some(other) = &of_system {
            let why = format!(
                "`{}`, which {} asks for, may be defined by the system's {other}, whose symbols are not known",
                first.name, library.place
            );
            out.undecided(rule, why);
            continue;
        }
        if !is_last {
            let why = format!(
                "`{}`, which {} asks for, is defined by no library that is loaded with it; the program that loads it may define it",
                first.name, library.place
            );
            out.undecided(rule, why);
            continue;
        }
        out.push(finding(rule, binding, &library, &symbols));
    }
}

/// Symbols of libraries that nothing defines; and a library of the system that is in the
/// process and may.
type Lacking = (Vec<(Arc<Dependency>, Vec<ForeignSymbol>)>, Option<String>);

/// Those that nothing defines, library by library.
fn lacking(binding: &Binding<'_>, closure: &Closure) -> Option<Lacking> {
    let set = binding.load_set;
    let is_of_tvm = |name: &str| match set {
        Some(set) => !set.providers_of(name).is_empty(),
        None => RELEASED.contains(&name),
    };
    let with = binding.companions.iter().chain(binding.preloaded).copied();
    let own: Vec<&Artifact> = std::iter::once(binding.artifact).chain(with).collect();
    let mut files: Vec<&Path> = own.iter().map(|one| one.path.path()).collect();
    // What any of them names is in the process, and serves the others too.
    let binaries = own.iter().filter_map(|one| one.binary.as_deref());
    let mut binaries: Vec<&Binary> = binaries.collect();
    binaries.extend(closure.libraries.iter().map(|one| &one.binary));
    let is_of = |binaries: &[&Binary], symbol: &ForeignSymbol| {
        is_of_tvm(&symbol.name) || binaries.iter().any(|one| system::defines(one, symbol))
    };
    let may = |binaries: &[&Binary]| {
        let mut others = binaries
            .iter()
            .filter_map(|one| system::not_known_whole(one));
        others.next().map(str::to_owned)
    };
    let lacking = dependencies::unresolved(closure, &files, |one| is_of(&binaries, one))?;
    let Some(set) = set.filter(|_| !lacking.is_empty()) else {
        return Some((lacking, may(&binaries)));
    };
    // What the parts of the runtime load is in the process too.
    let members = || set.members.iter();
    let asking: Vec<_> = members().map(|one| (&one.path, &one.binary)).collect();
    let of_set = dependencies::closure(&asking, binding.machine, binding.known);
    if !of_set.is_whole {
        return None;
    }
    files.extend(members().map(|one| one.path.path()));
    files.extend(of_set.libraries.iter().map(|one| one.place.path()));
    binaries.extend(members().map(|one| &one.binary));
    binaries.extend(of_set.libraries.iter().map(|one| &one.binary));
    let lacking = dependencies::unresolved(closure, &files, |one| is_of(&binaries, one))?;
    Some((lacking, may(&binaries)))
}

fn finding(
    rule: &'static Rule,
    binding: &Binding<'_>,
    library: &Dependency,
    symbols: &[ForeignSymbol],
) -> Finding {
    let is_eager = |symbol: &&ForeignSymbol| !symbol.lazy;
    let first = symbols.iter().find(is_eager);
    let what = match symbols {
        [only] => format!("`{}`, which", only.name),
        several => format!("{} symbols that", several.len()),
    };
    let place = &binding.artifact.path;
    let message = format!(
        "{what} {} asks for, is defined by no library that is loaded",
        library.place
    );
    let message = match symbols.len() {
        1 => message,
        _ => message.replacen(" asks for, is defined", " asks for are defined", 1),
    };
    let says = first.or(symbols.first()).and_then(|symbol| {
        let name = with_version(symbol);
        let values = [("symbol", name.as_str())];
        let words = messages::of_system("undefined-symbol", library.binary.format, &values)?;
        Some(format!("{}: {words}", library.place))
    });
    let mut finding = Finding::new(rule, place, message)
        .severity(match first {
            Some(_) => Severity::Error,
            None => Severity::Warning,
        })
        .on(&binding.runtime.name)
        .says_known(says)
        .evidence(match first {
            Some(_) => "it is looked for at load, which fails",
            None => "it is looked for at its first call, which ends the process",
        })
        .help("take that library from the build that this one was linked with, and with it what it names as NEEDED");
    for symbol in symbols.iter().take(MAX_FINDINGS) {
        finding = finding.at(Location::of_symbol(symbol.name.clone()));
    }
    finding
}

/// A symbol as the loader names it.
pub(super) fn with_version(symbol: &ForeignSymbol) -> String {
    match &symbol.version {
        Some(version) => format!("{}, version {}", symbol.name, version.version),
        None => symbol.name.clone(),
    }
}
