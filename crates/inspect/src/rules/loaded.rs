//! What is wrong with the libraries that a file loads beside TVM's and the system's, told at
//! the file: the symbols half of it, which is AC203's.

use std::sync::Arc;

use super::{Binding, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Binary, BinaryKind, ForeignSymbol, Format, Platform};
use crate::finding::{Finding, Location, Need, Severity};
use crate::limits::MAX_FINDINGS;
use crate::parts::PartKind;
use crate::place::Place;
use crate::runtime::bound::{Loaded, Unbound};
use crate::runtime::dependencies::{self, Closure, Dependency};
use crate::runtime::elsewhere::RELEASED;
use crate::runtime::member::Member;
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
    of_one_library(rule, binding, &closure, out);
    of_system(rule, binding, &closure, out);
    if closure.libraries.is_empty() {
        return;
    }
    let kind = binding.artifact.binary.as_ref().map(|binary| binary.kind);
    let is_last = binding.artifact.role == Role::ModelLibrary || kind == Some(BinaryKind::Program);
    // Where a library is not found, AC205 says so, and it may define anything.
    let (lacking, scope) = lacking(binding, &closure).unwrap_or_default();
    for (library, symbols) in lacking {
        let is_certain = |symbol: &ForeignSymbol| scope.may_define(symbol).is_none();
        let (symbols, open): (Vec<_>, Vec<_>) = symbols.into_iter().partition(is_certain);
        let told = open
            .first()
            .and_then(|one| Some((one, scope.may_define(one)?)));
        if let Some((symbol, other)) = told {
            let (name, place) = (&symbol.name, &library.place);
            out.undecided(rule, format!("`{name}`, which {place} asks for, {other}"));
        }
        let Some(first) = symbols.first() else {
            continue;
        };
        // A newer macOS may have more names.
        if library.binary.format == Format::MachO {
            let (name, place) = (&first.name, &library.place);
            let why = format!(
                "`{name}`, which {place} asks for, is defined by no library that is loaded with it: a newer macOS may define it"
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

/// Symbols that a file, or what it loads, asks of one library by name, which does not have them.
fn of_one_library(
    rule: &'static Rule,
    binding: &Binding<'_>,
    closure: &Closure,
    out: &mut Outcome,
) {
    let artifact = binding.artifact;
    let Some(binary) = artifact.binary.as_deref() else {
        return;
    };
    let loaded = Loaded {
        closure,
        known: binding.known,
        machine: binding.machine,
        runtime: binding.runtime,
        load_set: binding.load_set,
    };
    let bound = loaded.bound(&artifact.path, binary);
    for library in bound.needs {
        out.need(Need {
            library,
            brought_by: String::from("its own package"),
        });
    }
    for one in bound.unbound.into_iter().take(MAX_FINDINGS) {
        let who = match one.asking.place == artifact.path {
            true => String::from("it"),
            false => one.asking.place.to_string(),
        };
        if let (Some(why), Some(first)) = (&one.may, one.symbols.first()) {
            let (name, place) = (spoken(&first.name), &one.library);
            out.undecided(rule, format!("{name}, which {who} asks of {place}, {why}"));
            continue;
        }
        if let Some(finding) = of_library(rule, binding, &one, &who) {
            out.push(finding);
        }
    }
}

/// Names that a file, or what it loads, asks of a library of macOS or Windows that is not known
/// to have them.
fn of_system(rule: &'static Rule, binding: &Binding<'_>, closure: &Closure, out: &mut Outcome) {
    let own = binding.artifact.binary.as_deref();
    let own = own.map(|binary| (String::from("it"), binary));
    let loaded = closure.libraries.iter();
    let loaded = loaded.map(|one| (one.place.to_string(), &one.binary));
    for (who, binary) in own.into_iter().chain(loaded) {
        let mut asked = binary.foreign.iter();
        let first = asked.find_map(|one| Some((&one.name, one.library.as_ref()?)));
        let Some((name, library)) = first else {
            continue;
        };
        if matches!(binary.platform, Platform::MacOs | Platform::Windows) {
            let why = format!(
                "`{name}`, which {who} asks of {library}, is not among the names that are known of it: a newer system may have it"
            );
            out.undecided(rule, why);
        }
    }
}

/// What one library lacks of what is asked of it.
fn of_library(
    rule: &'static Rule,
    binding: &Binding<'_>,
    one: &Unbound,
    who: &str,
) -> Option<Finding> {
    let (symbols, library) = (&one.symbols, &one.library);
    let format = one.asking.binary.format;
    // Since macOS 12 dyld looks for lazy symbols of a named library at load too.
    let is_eager = |symbol: &&ForeignSymbol| !symbol.lazy || format == Format::MachO;
    let eager = symbols.iter().find(is_eager);
    let first = eager.or(symbols.first())?;
    let message = match (&one.forwarded, symbols.len()) {
        (Some(to), 1) => format!(
            "{}, which {who} asks of {library}, is handed on from there to `{to}`, where nothing is",
            spoken(&first.name)
        ),
        (None, 1) => format!(
            "{}, which {who} asks of {library}, is not exported there",
            spoken(&first.name)
        ),
        (_, several) => {
            format!("{several} symbols that {who} asks of {library} are not exported there")
        }
    };
    let key = match first.name.starts_with('#') {
        true => "undefined-number",
        false => "undefined-symbol",
    };
    let words = messages::of_system(key, format, &[("symbol", &first.name)]);
    let is_told = eager.is_some() || format != Format::Pe;
    let mut finding = Finding::new(rule, &binding.artifact.path, message)
        .severity(severity(eager.is_some()))
        .on(&binding.runtime.name)
        // Where a name is handed on, what Windows says depends on what it finds there.
        .says_known(words.filter(|_| is_told && one.forwarded.is_none()))
        .evidence("the symbol is looked for in that library alone")
        .evidence(when(eager.is_some()))
        .help("take both libraries from one build: put back the one that this was linked with");
    for symbol in symbols.iter().take(MAX_FINDINGS) {
        finding = finding.at(Location::of_symbol(symbol.name.clone()));
    }
    Some(finding)
}

/// A symbol as people say it.
fn spoken(name: &str) -> String {
    match name.strip_prefix('#') {
        Some(number) => format!("function number {number}"),
        None => format!("`{name}`"),
    }
}

/// How severe a symbol is that nothing has.
fn severity(is_eager: bool) -> Severity {
    match is_eager {
        true => Severity::Error,
        false => Severity::Warning,
    }
}

fn when(is_eager: bool) -> &'static str {
    match is_eager {
        true => "it is looked for at load, which fails",
        false => "it is looked for at its first call, which ends the process",
    }
}

/// That a library of the system may define a symbol.
pub(super) fn may_be_of_system(library: &str) -> String {
    format!("may be defined by the system's {library}, whose symbols are not known")
}

/// What defines symbols for the libraries that a file loads.
#[derive(Default)]
struct Scope<'a> {
    /// What is in the process: what one of them names serves the others too.
    binaries: Vec<&'a Binary>,
    libraries: Vec<Arc<Dependency>>,
    /// A library that a part of the runtime needs and that was not found or read.
    absent: Option<String>,
}

impl Scope<'_> {
    fn all(&self) -> impl Iterator<Item = &Binary> {
        let libraries = self.libraries.iter().map(|one| &one.binary);
        self.binaries.iter().copied().chain(libraries)
    }

    fn defines(&self, symbol: &ForeignSymbol) -> bool {
        self.all().any(|one| system::defines(one, symbol))
    }

    /// What may define a symbol that nothing else does.
    fn may_define(&self, symbol: &ForeignSymbol) -> Option<String> {
        let of_system = self.all().find_map(|one| system::may_define(one, symbol));
        let of_system = of_system.map(may_be_of_system);
        of_system.or_else(|| {
            let absent = self.absent.as_ref()?;
            Some(format!(
                "may be defined by {absent}, which the runtime needs and which was not found"
            ))
        })
    }
}

/// Symbols of libraries that nothing defines, library by library.
type Lacking = Vec<(Arc<Dependency>, Vec<ForeignSymbol>)>;

/// Those that nothing defines.
fn lacking<'a>(binding: &'a Binding<'_>, closure: &Closure) -> Option<(Lacking, Scope<'a>)> {
    let set = binding.load_set;
    let is_of_tvm = |name: &str| match set {
        Some(set) => !set.providers_of(name).is_empty(),
        None => RELEASED.contains(&name),
    };
    let with = binding.companions.iter().chain(binding.preloaded).copied();
    let own: Vec<&Artifact> = std::iter::once(binding.artifact).chain(with).collect();
    let mut files: Vec<&Place> = own.iter().map(|one| &one.path).collect();
    let mut scope = Scope {
        binaries: own.iter().filter_map(|one| one.binary.as_deref()).collect(),
        libraries: closure.libraries.clone(),
        absent: None,
    };
    let unresolved = |scope: &Scope<'_>, files: &[&Place]| {
        let is_given = |one: &ForeignSymbol| is_of_tvm(&one.name) || scope.defines(one);
        dependencies::unresolved(closure, files, binding.known, is_given)
    };
    let lacking = unresolved(&scope, &files)?;
    let Some(set) = set.filter(|_| !lacking.is_empty()) else {
        return Some((lacking, scope));
    };
    // What the parts of the runtime load is in the process too. A part for a device is opened
    // where its own libraries are there.
    let is_needed = |one: &&Member| !matches!(one.kind, PartKind::RuntimeDevice(_));
    let needed = set.members.iter().filter(is_needed);
    let asking: Vec<_> = needed.map(|one| (&one.path, &one.binary)).collect();
    let of_set = dependencies::closure(&asking, binding.machine, binding.known);
    files.extend(set.members.iter().map(|one| &one.path));
    files.extend(of_set.libraries.iter().map(|one| &one.place));
    scope
        .binaries
        .extend(set.members.iter().map(|one| &one.binary));
    scope.libraries.extend(of_set.libraries.iter().cloned());
    scope.absent = of_set.absent;
    Some((unresolved(&scope, &files)?, scope))
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
        .on(&binding.runtime.name)
        .says_known(says)
        .evidence(when(first.is_some()))
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
