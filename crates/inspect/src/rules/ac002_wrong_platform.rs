//! AC002 wrong-platform: built for another processor or system.

use std::collections::BTreeSet;
use std::path::Path;

use super::link_set::{archive_of, link_sets};
use super::{ArtifactContext, Binding, Check, FolderContext, Outcome, Pair, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Architecture, Binary, BinaryKind, CLibrary, Format, Platform};
use crate::finding::{Finding, Severity};
use crate::module::is_asked_by_name;
use crate::place::Place;
use crate::runtime::binary::operating_system;
use crate::runtime::{RuntimeProfile, applications, installation, messages};
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC002",
    name: "wrong-platform",
    severity: Severity::Error,
    summary: "the file was built for another architecture, system or Apple platform than the target or the runtime",
    explain: include_str!("ac002_wrong_platform.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::Artifact(check_alone),
    Check::Artifact(check_abi),
    Check::Artifact(check_wheel),
    Check::Pair(check_pair),
    Check::Binding(check_client),
    Check::Binding(check_c_library),
    Check::Folder(check_objects),
];

fn check_alone(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    if let Some(suffix) = suffix_without_loader(artifact, binary) {
        // Python's `load_module` makes a library of an object before it loads it.
        let message = match suffix.as_str() {
            "`.o`" => String::from(
                "a shared library is named `.o`, as an object: what TVM makes of it has none of its functions",
            ),
            NO_SUFFIX => String::from("TVM does not load a library whose name has no suffix"),
            _ => format!("TVM does not load files that end in {suffix}"),
        };
        let linked = "Python's `load_module` links a `.o` with the C++ compiler into a new library and loads that; other clients have no loader for it";
        let linked = (suffix == "`.o`").then_some(linked);
        out.push(
            Finding::new(&RULE, &artifact.path, message)
            .evidence(linked.unwrap_or("it picks the loader by the suffix: `.so`, `.dylib` and `.dll` are libraries, in lower case"))
            .help(rename(artifact, binary)),
        );
    } else if let Some(expected) = suffix_mismatch(&artifact.path, binary) {
        out.push(
            Finding::new(
                &RULE,
                &artifact.path,
                format!("the name says {expected}, but the content is {binary}"),
            )
            .severity(Severity::Warning)
            .help("rename the file or ship the build for the platform the name promises"),
        );
    }
    // Of a model library it is asked with each runtime.
    let mut defined = binary.defined.iter();
    if let Architecture::Other(number) = binary.architecture
        && artifact.role == Role::Client
        && defined.any(|symbol| symbol.name.starts_with("__tvm_ffi_"))
    {
        out.undecided(&RULE, unknown_processor(number));
    }
    let Some(target) = context.target else { return };
    if artifact.role == Role::Unrelated {
        return;
    }
    let platform_differs =
        binary.platform != Platform::Unknown && binary.platform != target.platform;
    if binary.format != Format::VmExecutable
        && (binary.architecture != target.architecture || platform_differs)
    {
        let wanted = format!(
            "{} {}",
            spell(target.architecture),
            target.platform.spoken()
        );
        let built = binary.spoken();
        let finding = Finding::new(
            &RULE,
            &artifact.path,
            format!("the file was built for {built}, but the target is {wanted}"),
        )
        .help(
            "compile the library again for the target, or point --target at the machine it is for",
        );
        out.push(match context.has_other {
            true => finding
                .severity(Severity::Info)
                .evidence("the same package has one for the target, and that is taken")
                .help("nothing is to be done"),
            false => passed_by(finding, binary, &spell(target.architecture)),
        });
    }
}

/// A library in a wheel for another machine.
fn check_wheel(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let mut around = artifact.path.folders();
    let wheel = around.find(|folder| folder.raw_name().ends_with(b".whl"));
    let (Some(binary), Some(wheel)) = (artifact.binary.as_deref(), wheel) else {
        return;
    };
    let name = wheel.name();
    let stem = name.strip_suffix(".whl").unwrap_or(&name);
    let machine = stem
        .rsplit('-')
        .next()
        .and_then(installation::machine_of_tag);
    let Some((platform, architecture)) = machine else {
        return;
    };
    let is_known = binary.platform != Platform::Unknown && binary.format != Format::VmExecutable;
    let is_same = (binary.platform, binary.architecture) == (platform, architecture);
    let is_meant = matches!(
        binary.platform,
        Platform::Linux | Platform::MacOs | Platform::Windows
    );
    if artifact.role == Role::Unrelated || !is_known || !is_meant || is_same {
        return;
    }
    let wanted = format!("{} {}", spell(architecture), platform.spoken());
    let built = binary.spoken();
    let message = format!("the file was built for {built}, but its wheel is for {wanted}");
    let finding = Finding::new(&RULE, &artifact.path, message);
    // Python opens modules; a model may be data for another machine.
    let inside = artifact.path.inside();
    let module = installation::module_of(inside.trim_start_matches('!'));
    let finding = match artifact.role != Role::ModelLibrary && module.is_some() {
        true => finding,
        false => finding.severity(Severity::Warning).evidence(
            "pip installs the wheel on no machine that loads this file; it may be data for another",
        ),
    };
    let finding = passed_by(finding, binary, &spell(architecture));
    out.push(
        finding
            .help("pack the build for the machine that the wheel's tag names, or correct the tag"),
    );
}

/// A library for Android in the folder of an ABI that it is not for, or where Android
/// installs none from.
fn check_abi(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let place = &context.artifact.path;
    let binary = context.artifact.binary.as_deref();
    let is_meant =
        |binary: &&Binary| binary.format == Format::Elf && context.artifact.role != Role::Unrelated;
    let (Some(binary), Some(abi)) = (binary.filter(is_meant), applications::abi(place)) else {
        return;
    };
    if binary.architecture != abi.architecture {
        let is_64 = |one| !matches!(one, Architecture::Arm | Architecture::X86);
        let bits = |one| if is_64(one) { "64" } else { "32" };
        let (own, other) = (bits(binary.architecture), bits(abi.architecture));
        let says = (own != other).then(|| {
            format!(
                "dlopen failed: \"{}\" is {own}-bit instead of {other}-bit",
                place.name()
            )
        });
        let wanted = spell(abi.architecture);
        let message = format!(
            "the file was built for {}, but its folder is for {wanted}",
            spell(binary.architecture)
        );
        let finding = Finding::new(&RULE, place, message).says_known(says);
        out.push(
            finding
                .help("put the build for that ABI there, and this one into the folder of its own"),
        );
    } else if applications::is_of_android(place) && place.folder().as_ref() != Some(&abi.folder) {
        let message = "Android does not install it: it is in a folder below that of its ABI";
        let finding = Finding::new(&RULE, place, message);
        let finding = finding.evidence(format!("libraries are taken from {} alone", abi.folder));
        out.push(finding.help("put it into the folder of its ABI itself"));
    }
}

/// Of a universal binary the loader takes the slice for its processor, whatever the others
/// are.
fn passed_by(finding: Finding, binary: &Binary, wanted: &str) -> Finding {
    let mut others = binary.other_slices.iter();
    match others.any(|other| spell(*other) == wanted) {
        true => finding
            .severity(Severity::Info)
            .evidence(format!(
                "the loader takes the slice of the file for {wanted}"
            ))
            .help("nothing is to be done"),
        false => finding,
    }
}

/// A runtime chosen by the user for a library that it can never load.
fn check_pair(pair: &Pair<'_>, out: &mut Outcome) {
    check_processor(pair, out);
    if let Some(finding) = other_machine(pair.artifact, pair.runtime) {
        out.push(finding);
    }
}

/// A client and its runtime; a model library is asked as one.
fn check_client(binding: &Binding<'_>, out: &mut Outcome) {
    let is_client = binding.artifact.role == Role::Client;
    let finding = other_machine(binding.artifact, binding.runtime);
    if let Some(finding) = finding.filter(|_| is_client) {
        out.push(finding);
    }
}

/// That a file is for another machine than a runtime.
fn other_machine(artifact: &Artifact, runtime: &RuntimeProfile) -> Option<Finding> {
    let binary = artifact.binary.as_deref()?;
    let architecture = runtime.architecture.as_deref()?;
    if binary.format == Format::Wasm {
        return None;
    }
    let (own_architecture, own_system) = machine(binary);
    let same_architecture = own_architecture.is_none_or(|own| own == architecture);
    let same_system = match (runtime.os.as_deref(), own_system) {
        (Some(runtime), Some(library)) => runtime == library,
        _ => true,
    };
    if same_architecture && same_system {
        return None;
    }
    let built = binary.spoken();
    let runtime_os = match runtime.os.as_deref() {
        Some("linux") => "Linux",
        Some("macos") => "macOS",
        Some("windows") => "Windows",
        Some(other) => other,
        None => "unknown system",
    };
    let message =
        format!("the file was built for {built}, but the runtime is {architecture} {runtime_os}");
    let finding = Finding::new(&RULE, &artifact.path, message)
        .on(&runtime.name)
        .help("use a runtime for the library's platform, or compile the library for this one");
    let finding = passed_by(finding, binary, architecture);
    // What a dynamic loader would print; a page does not even try.
    Some(match runtime.glue {
        None => finding.says_known(loader_words(artifact, binary, runtime)),
        Some(_) => finding,
    })
}

/// A release says nothing of processors; one that has no name here may be damage too.
fn check_processor(pair: &Pair<'_>, out: &mut Outcome) {
    let binary = pair.artifact.binary.as_deref();
    let machine = binary.filter(|binary| binary.format != Format::VmExecutable);
    if let (Some(Architecture::Other(number)), None) = (
        machine.map(|binary| binary.architecture),
        &pair.runtime.architecture,
    ) {
        out.undecided(&RULE, unknown_processor(number));
    }
}

fn unknown_processor(number: u32) -> String {
    format!(
        "it is built for a processor that is not known here (machine number {number}): no known runtime is built for it, or the number is damaged"
    )
}

/// A file for musl and a runtime for glibc: one process has one C library. The other way
/// round musl stands in for glibc's.
fn check_c_library(binding: &Binding<'_>, out: &mut Outcome) {
    let Some(binary) = &binding.artifact.binary else {
        return;
    };
    let Some((CLibrary::Musl, name)) = binary.c_library() else {
        return;
    };
    // The Linux wheels of every release are linked with glibc.
    let is_gnu = binding.load_set.is_none_or(|set| {
        let mut members = set.members.iter();
        members.any(|member| {
            let own = member.binary.c_library();
            own.is_some_and(|(library, _)| library == CLibrary::Gnu)
        })
    });
    if !is_gnu {
        return;
    }
    let values = [("library", name)];
    let finding = Finding::new(
        &RULE,
        &binding.artifact.path,
        format!(
            "the file was built for musl (it needs `{name}`), but the runtime is linked with glibc"
        ),
    )
    .on(&binding.runtime.name)
    .says_known(messages::of_system(
        "library-not-found",
        binary.format,
        &values,
    ))
    .help("compile it for glibc (`-target <arch>-linux-gnu`), or build TVM's runtime for musl too");
    out.push(finding);
}

/// What the loader of the runtime's system prints of a file for another machine.
fn loader_words(artifact: &Artifact, binary: &Binary, runtime: &RuntimeProfile) -> Option<String> {
    if binary.kind == BinaryKind::Object {
        return None;
    }
    let loader = match runtime.os.as_deref()? {
        "linux" => Format::Elf,
        "macos" => Format::MachO,
        "windows" => Format::Pe,
        _ => return None,
    };
    let key = match binary.format == loader {
        true => "other-machine",
        false => "other-format",
    };
    let is_same_machine = machine(binary).0 == runtime.architecture;
    if is_same_machine && binary.format == loader {
        return None;
    }
    let apple = |name: &str| match name {
        "aarch64" => String::from("arm64"),
        other => other.replace('-', "_"),
    };
    let file = artifact.path.name();
    let values = [
        ("file", file.as_ref()),
        ("have", &apple(&spell(binary.architecture))),
        ("need", &apple(runtime.architecture.as_deref()?)),
    ];
    messages::of_system(key, loader, &values)
}

/// Objects beside a static runtime that is built for other machines only.
fn check_objects(context: &FolderContext<'_>, out: &mut Outcome) {
    for set in link_sets(context.artifacts) {
        let fits = |binary: &Binary| {
            set.runtime.iter().any(|(_, runtime)| {
                let is_same_system = runtime.platform == binary.platform
                    || [runtime.platform, binary.platform].contains(&Platform::Unknown);
                runtime.format == binary.format
                    && runtime.architecture == binary.architecture
                    && is_same_system
            })
        };
        let mut told: BTreeSet<Place> = BTreeSet::new();
        for (artifact, binary) in &set.others {
            let archive = archive_of(artifact);
            let Some((runtime, built)) = set.runtime.first().filter(|_| !fits(binary)) else {
                continue;
            };
            if told.insert(archive.clone()) {
                out.push(
                    Finding::new(&RULE, &artifact.path, format!("built for {binary}, but the static runtime beside it is {built}"))
                        .evidence(format!("the runtime: {}", archive_of(runtime)))
                        .evidence("the linker skips it, or refuses it")
                        .help("compile the library for the machine of the program, or take the runtime that was built for it"),
                );
            }
        }
    }
}

fn suffix_mismatch(place: &Place, binary: &Binary) -> Option<&'static str> {
    if binary.kind == BinaryKind::Object {
        return None;
    }
    // Python extension modules and TVM's own builds use `.so` on macOS too.
    let name = place.name();
    let extension = Path::new(&*name)
        .extension()?
        .to_str()?
        .to_ascii_lowercase();
    let (expected, formats): (_, &[Format]) = match extension.as_str() {
        "so" => (
            "an ELF or Mach-O library (.so)",
            &[Format::Elf, Format::MachO],
        ),
        "dylib" => ("a Mach-O library (.dylib)", &[Format::MachO]),
        "dll" | "pyd" => ("a Windows library (.dll)", &[Format::Pe]),
        "wasm" => ("a WebAssembly module (.wasm)", &[Format::Wasm]),
        _ => return None,
    };
    (!formats.contains(&binary.format)).then_some(expected)
}

/// The suffix of a name that has none.
const NO_SUFFIX: &str = "no suffix";

/// The name that TVM loads the library by.
fn rename(artifact: &Artifact, binary: &Binary) -> String {
    let suffix = match binary.format {
        Format::MachO => "dylib",
        Format::Pe => "dll",
        _ => "so",
    };
    let name = artifact.path.name();
    let stem = Path::new(&*name).file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy();
    let ends = [".so", ".dylib", ".dll"];
    match ends.iter().any(|end| stem.ends_with(end)) {
        true => format!("rename it to `{stem}`"),
        false => format!("rename it to `{stem}.{suffix}`"),
    }
}

/// The suffix of a model library that TVM has no loader for: it does not look into the
/// file. A library that registers itself when it is loaded needs none.
fn suffix_without_loader(artifact: &Artifact, binary: &Binary) -> Option<String> {
    let is_library = artifact.role == Role::ModelLibrary && is_asked_by_name(binary);
    let name = artifact.path.name();
    let suffix = Path::new(&*name).extension();
    let suffix = suffix.map(|suffix| suffix.to_string_lossy().into_owned());
    let is_known = matches!(suffix.as_deref(), Some("so" | "dylib" | "dll" | "dso"));
    let shown = suffix.map_or_else(|| NO_SUFFIX.to_owned(), |suffix| format!("`.{suffix}`"));
    (is_library && !is_known && !has_link(&artifact.path)).then_some(shown)
}

/// Whether a link beside a file has a name that TVM loads it by: `libmodel.so` that leads to
/// `libmodel.so.1`.
fn has_link(place: &Place) -> bool {
    let name = place.name();
    let versioned = name.split_once(".so.").map(|(stem, _)| stem);
    let stems = [versioned, Some(&*name)];
    let mut names = stems.into_iter().flatten().flat_map(|stem| {
        let ends = ["so", "dylib", "dll"];
        ends.map(|end| format!("{stem}.{end}"))
    });
    let real = |path: &Path| path.canonicalize().ok();
    let own = (!place.is_member()).then(|| real(place.path())).flatten();
    own.is_some() && names.any(|name| real(&place.path().with_file_name(name)) == own)
}

/// Architecture and system in the words of a runtime profile; `None` where the
/// file does not say (a bare executable runs anywhere).
fn machine(binary: &Binary) -> (Option<String>, Option<&'static str>) {
    if binary.format == Format::VmExecutable {
        return (None, None);
    }
    (
        Some(spell(binary.architecture)),
        operating_system(binary.platform),
    )
}
