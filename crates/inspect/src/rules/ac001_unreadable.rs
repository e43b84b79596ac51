//! AC001 unreadable: bytes that are not the artifact they should be.

use std::collections::HashSet;

use super::segments::{self, Fault};
use super::{ArtifactContext, Binding, Check, Outcome, Pair, Rule};
use crate::artifact::{Artifact, Problem, ProblemKind, Role};
use crate::container::{BLOB_SYMBOLS, Binary, BinaryKind, Format, Platform};
use crate::finding::{Finding, Location, Severity};
use crate::limits::MAX_FINDINGS;
use crate::place::Place;
use crate::target::Target;
use crate::version::Version;

pub(super) static RULE: Rule = Rule {
    code: "AC001",
    name: "unreadable",
    severity: Severity::Error,
    summary: "the file is truncated, corrupt, empty, or not what its name says (a Git LFS pointer, a web page, an AppleDouble file)",
    explain: include_str!("ac001_unreadable.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::Artifact(check),
    Check::Pair(check_pair),
    Check::Binding(check_loaded),
];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    // A broken signature is AC004's.
    let problems = artifact
        .problems
        .iter()
        .filter(|problem| problem.kind != ProblemKind::BrokenSignature);
    for problem in problems {
        out.push(of_problem(&artifact.path, problem));
    }
    for library in &artifact.libraries {
        // A limit is among the problems.
        if let Err(error) = &library.blob
            && !error.is_limit
        {
            let at = library.file_offset.saturating_add(error.at);
            out.push(
                Finding::new(&RULE, &artifact.path, "the module blob does not decode")
                    .at(Location {
                        symbol: library.blob_symbol.clone(),
                        offset: Some(at),
                        ..Location::default()
                    })
                    .evidence(format!(
                        "at file offset {at:#x}: expected {}, found {}",
                        error.expected, error.found
                    ))
                    .help(advice(ProblemKind::Corrupt)),
            );
        }
    }
    check_segments(context, out);
}

/// What a problem of an artifact is to its user.
pub(crate) fn of_problem(place: &Place, problem: &Problem) -> Finding {
    let (message, evidence) = match problem.kind {
        // The limit is the message: not every report has room for evidence.
        ProblemKind::Limit => (
            format!("{}: {}", sentence(problem), problem.detail),
            Vec::new(),
        ),
        _ => (sentence(problem).to_owned(), vec![problem.detail.clone()]),
    };
    // A linker passes over an object of no bytes; what it should have defined is missing
    // where it is asked for.
    let is_passed_over =
        problem.kind == ProblemKind::Empty && place.is_member() && place.name().ends_with(".o");
    let severity = match is_passed_over {
        true => Severity::Warning,
        false => severity(problem.kind),
    };
    let mut finding = Finding::new(&RULE, place, message)
        .severity(severity)
        .at(Location {
            offset: problem.offset,
            ..Location::default()
        })
        .help(advice(problem.kind));
    finding.evidence = evidence;
    finding
}

/// Damage of which it is not known what comes of it leaves the verdict open.
fn check_pair(pair: &Pair<'_>, out: &mut Outcome) {
    if let Some(binary) = &pair.artifact.binary {
        undecided(binary, out);
    }
}

fn undecided(binary: &Binary, out: &mut Outcome) {
    for why in segments::undecided(binary) {
        out.undecided(&RULE, why);
    }
}

/// Libraries that a file loads and that its loader refuses.
fn check_loaded(binding: &Binding<'_>, out: &mut Outcome) {
    let artifact = binding.artifact;
    let kind = artifact.binary.as_ref().map(|binary| binary.kind);
    // A process opens model libraries; what a program names is there when it starts.
    let is_opened = kind != Some(BinaryKind::Program);
    let is_certain = artifact.role == Role::ModelLibrary || !is_opened;
    for library in binding.closure().libraries {
        let faults = segments::faults(&library.binary, false, &|_| true).into_iter();
        let fault = faults
            .filter(|fault| fault.severity == Severity::Error)
            .find(|fault| fault.is_of_any || is_opened);
        let Some(fault) = fault else { continue };
        let message = format!("{}, which it loads: {}", library.place, fault.message);
        let says = (!fault.says.is_empty()).then(|| format!("{}: {}", library.place, fault.says));
        out.push(
            Finding::new(&RULE, &artifact.path, message)
                .severity(match fault.is_of_any || is_certain {
                    true => Severity::Error,
                    false => Severity::Warning,
                })
                .on(&binding.runtime.name)
                .evidence(fault.evidence)
                .says_known(says)
                .help(fault.help),
        );
    }
}

/// A file that decodes, and that a loader refuses all the same.
fn check_segments(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    let asked = Asked::of(artifact);
    let is_asked = |name: &str| asked.as_ref().is_none_or(|asked| asked.holds(name));
    let mut faults = segments::faults(binary, has_old_glibc(context.target), &is_asked);
    // Of a model library it is said with each runtime.
    if !matches!(artifact.role, Role::ModelLibrary | Role::Unrelated) {
        undecided(binary, out);
    }
    // What may be wrong with a library that TVM never meets is not said.
    faults.retain(|fault| fault.severity == Severity::Error || artifact.role != Role::Unrelated);
    // A process opens model libraries; what it is linked with is there when it starts.
    let has_kernels = || {
        let mut defined = binary.defined.iter();
        defined.any(|symbol| symbol.name.starts_with("__tvm_ffi_"))
    };
    let is_opened =
        artifact.role == Role::ModelLibrary || (artifact.role == Role::Client && has_kernels());
    faults.retain(|fault| fault.is_of_any || is_opened);
    let is_loaded = is_opened || binary.process.is_some() || artifact.role != Role::Client;
    if binary.kind == BinaryKind::SharedLibrary && !is_loaded {
        for one in segments::refused_later(binary) {
            let why = format!(
                "{one}: a process that opens the library while it runs refuses that, and one that is linked with it does not"
            );
            out.undecided(&RULE, why);
        }
    }
    faults.extend(named_as_library(artifact, binary));
    let more = faults.len().saturating_sub(MAX_FINDINGS);
    for fault in faults.into_iter().take(MAX_FINDINGS) {
        out.push(
            Finding::new(&RULE, &artifact.path, fault.message)
                .severity(fault.severity)
                .at(Location::at(fault.offset))
                .evidence(fault.evidence)
                .says_known((!fault.says.is_empty()).then(|| fault.says.to_owned()))
                .help(fault.help),
        );
    }
    out.and_more(more);
}

/// The names that TVM looks up in a model library: those of its program and of its host
/// code, and what is reserved.
struct Asked<'a>(HashSet<&'a str>);

impl<'a> Asked<'a> {
    /// Nothing where there is no program: anybody may ask for any kernel.
    fn of(artifact: &'a Artifact) -> Option<Self> {
        let mut names = HashSet::new();
        let mut has_program = false;
        for library in artifact.libraries.iter() {
            let blob = library.blob.as_ref().ok()?;
            for (_, executable) in blob.executables() {
                has_program = true;
                names.extend(executable.functions.iter().map(|one| one.name.as_str()));
            }
            names.extend(library.host_callees.iter().map(String::as_str));
        }
        has_program.then_some(Self(names))
    }

    fn holds(&self, symbol: &str) -> bool {
        let prefixed = ["__tvm_ffi_", "__vmtir__"];
        let function = prefixed.iter().find_map(|start| symbol.strip_prefix(start));
        let is_reserved = symbol.starts_with("__TVM")
            || symbol.starts_with("__tvm_ffi__")
            || BLOB_SYMBOLS.iter().any(|blob| symbol.ends_with(blob));
        is_reserved || self.0.contains(symbol) || function.is_some_and(|one| self.0.contains(one))
    }
}

/// A program or an object that is to be opened as a library.
fn named_as_library(artifact: &Artifact, binary: &Binary) -> Option<Fault> {
    let is_object = binary.kind == BinaryKind::Object;
    let (says, help) = match binary.format {
        Format::Elf => (binary.refusal?, "link it with `-shared`"),
        Format::MachO if is_object => ("", "link it with `-dynamiclib`"),
        Format::Coff => (segments::NOT_WIN32, "link it with `/DLL`"),
        _ => return None,
    };
    let (what, kind) = match is_object {
        true => ("an object that is not linked", "an object"),
        false => ("linked as a program", "a program"),
    };
    let is_opened = artifact.role == Role::ModelLibrary && is_library_name(&artifact.path.name());
    is_opened.then(|| Fault {
        severity: Severity::Error,
        message: format!("this is {what}, but it is named as a library"),
        evidence: format!("the type in its header is that of {kind}"),
        says,
        offset: 0,
        is_of_any: true,
        help,
    })
}

/// Whether a file is opened by such a name: `lib.so.1` is, and `lib.so.o` is linked.
fn is_library_name(name: &str) -> bool {
    let is_number = |byte: u8| byte == b'.' || byte.is_ascii_digit();
    let versioned = |(_, rest): (&str, &str)| rest.starts_with('.') && rest.bytes().all(is_number);
    [".so", ".dylib", ".dll"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
        || name.rsplit_once(".so").is_some_and(versioned)
}

/// Whether the target's loader checks alignments as glibc does up to 2.34.
fn has_old_glibc(target: Option<&Target>) -> bool {
    let Some(Target {
        platform: Platform::Linux,
        floor: Some(floor),
        ..
    }) = target
    else {
        return false;
    };
    *floor < Version(vec![2, 35])
}

fn severity(kind: ProblemKind) -> Severity {
    match kind {
        ProblemKind::Empty
        | ProblemKind::LfsPointer
        | ProblemKind::WebPage
        | ProblemKind::Corrupt
        | ProblemKind::ArchiveAsLibrary
        | ProblemKind::PackedAsLibrary
        | ProblemKind::BrokenSignature => Severity::Error,
        // Linkers and loaders skip or reject these; the artifact beside them may be fine.
        ProblemKind::AppleDouble | ProblemKind::UnsafeName => Severity::Warning,
        ProblemKind::Unreadable
        | ProblemKind::Strange
        | ProblemKind::Unsupported
        | ProblemKind::NotOpened
        | ProblemKind::SeveralImages
        | ProblemKind::ThinArchive
        | ProblemKind::Limit => Severity::Warning,
        ProblemKind::NotAFile | ProblemKind::NotNeeded | ProblemKind::LinkerScript => {
            Severity::Info
        }
    }
}

fn sentence(problem: &Problem) -> &'static str {
    match problem.kind {
        ProblemKind::Unreadable => "the file could not be read",
        ProblemKind::Empty => "the file is empty",
        ProblemKind::LfsPointer => "this is a Git LFS pointer, not the file",
        ProblemKind::WebPage => "this is a web page, not the file",
        ProblemKind::AppleDouble => "an AppleDouble `._` file is among the objects",
        ProblemKind::Corrupt => "the file is truncated or corrupt",
        ProblemKind::Strange => "the file is damaged, and nothing shows that it is one of TVM's",
        ProblemKind::Unsupported => "the file is of a kind or generation this tool does not know",
        ProblemKind::NotOpened => "undecided: artcheck does not unpack this format",
        ProblemKind::SeveralImages => "undecided: which of its images runs is not said",
        ProblemKind::ThinArchive => "undecided: the archive only names this file",
        ProblemKind::ArchiveAsLibrary | ProblemKind::PackedAsLibrary => {
            "an archive or a packed file, named as a library: no loader opens it"
        }
        ProblemKind::BrokenSignature => "the code signature does not match",
        ProblemKind::Limit => "undecided, because a limit was reached",
        ProblemKind::NotAFile => "not a regular file: skipped",
        ProblemKind::NotNeeded => "left packed: nothing in it is asked for",
        ProblemKind::LinkerScript => {
            "a linker script, not a library: a text that names the libraries to link with"
        }
        ProblemKind::UnsafeName => "an archive member's name leaves the folder it is unpacked to",
    }
}

fn advice(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unreadable => "check permissions and the disk, then scan again",
        ProblemKind::Empty => "build or copy it again: the file is empty",
        ProblemKind::LfsPointer => "run `git lfs pull` in the repository the file came from",
        ProblemKind::WebPage => {
            "download it again: the server sent an HTML page (login, error or redirect)"
        }
        ProblemKind::AppleDouble => {
            "pack again with COPYFILE_DISABLE=1, or delete the `._*` members"
        }
        ProblemKind::Corrupt | ProblemKind::Strange => {
            "compare the size and checksum with the build's; copy or build it again"
        }
        ProblemKind::Unsupported => {
            "if it should be a model library, report it with the name and version of the compiler; use --allow-undecided to skip it"
        }
        ProblemKind::NotOpened => "unpack it and scan what it holds",
        ProblemKind::SeveralImages => {
            "save the one that runs to a file of its own: `docker save --platform linux/amd64 IMAGE`, or `skopeo copy --override-arch amd64 FROM docker-archive:FILE`"
        }
        ProblemKind::ThinArchive => {
            "scan the file that is named, beside the archive; `ar rc`, without `T`, makes an archive that holds it"
        }
        ProblemKind::ArchiveAsLibrary | ProblemKind::PackedAsLibrary => {
            "unpack it: a loader goes by what is in the file, whatever its name is"
        }
        ProblemKind::BrokenSignature => "the code signature does not match",
        ProblemKind::Limit => {
            "if it is an archive, unpack it and scan the folder; if it should be a model library, say which one it is"
        }
        ProblemKind::NotAFile | ProblemKind::NotNeeded => "nothing to do",
        ProblemKind::LinkerScript => {
            "nothing to do: loaders refuse it and linkers follow it; scan the libraries that it names"
        }
        ProblemKind::UnsafeName => "pack the archive again with relative names",
    }
}
