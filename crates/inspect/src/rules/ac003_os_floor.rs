//! AC003 os-floor: asks for a newer system than the oldest one to support.

use super::gnu_versions::{self, Wanted};
use super::wheel_tags;
use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Role;
use crate::container::{Binary, BinaryKind, CLibrary, Format, Packing, Platform, VersionNeed};
use crate::finding::{Finding, Severity};
use crate::place::Place;
use crate::runtime::{messages, system};
use crate::target::Target;
use crate::version::Version;

pub(super) static RULE: Rule = Rule {
    code: "AC003",
    name: "os-floor",
    severity: Severity::Error,
    summary: "the file needs a newer glibc, libstdc++, macOS, iOS or Android than the target has",
    explain: include_str!("ac003_os_floor.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    promised(context, out);
    for_musl(context, out);
    let artifact = context.artifact;
    let (
        Some(binary),
        Some(Target {
            platform,
            floor: Some(floor),
            is_musl: false,
            ..
        }),
    ) = (&artifact.binary, context.target)
    else {
        return;
    };
    if artifact.role == Role::Unrelated || binary.platform != *platform {
        return;
    }
    match platform {
        Platform::Linux => {
            for finding in gnu_needs(binary, floor, &artifact.path) {
                out.push(finding);
            }
            for finding in packed(binary, floor, &artifact.path) {
                out.push(finding);
            }
            if let Some(finding) = on_stack(binary, floor, &artifact.path) {
                // What a program names is there before it starts.
                out.push(match artifact.role {
                    Role::ModelLibrary => finding,
                    _ => finding.severity(Severity::Warning),
                });
            }
        }
        _ => {
            let is_android = *platform == Platform::Android;
            for finding in packed(binary, floor, &artifact.path) {
                out.push(finding);
            }
            let Some(minimum) = binary
                .min_os
                .as_deref()
                .and_then(|text| text.parse::<Version>().ok())
            else {
                return;
            };
            if minimum > *floor {
                let finding = Finding::new(
                    &RULE,
                    &artifact.path,
                    needs_newer(*platform, &minimum, floor),
                );
                out.push(if is_android {
                    // The loader reads no level; it misses what the level brought.
                    finding
                        .severity(Severity::Warning)
                        .evidence("API level of the file's note .note.android.ident")
                        .help(format!("compile for the target's API level (`--target=<arch>-linux-android{floor}`)"))
                } else {
                    finding
                        .evidence("LC_BUILD_VERSION / LC_VERSION_MIN of the file")
                        .help(link_option(*platform, floor))
                });
            }
        }
    }
}

/// What the name of the wheel around a file promises, where no system is named by who asks.
fn promised(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let is_named = |target: &Target| target.floor.is_some() || target.is_musl;
    let Some(binary) = &artifact.binary else {
        return;
    };
    if artifact.role == Role::Unrelated || context.target.is_some_and(is_named) {
        return;
    }
    let place = &artifact.path;
    let promise = wheel_tags::of(place);
    if let Some((floor, tag)) = &promise.glibc {
        let found = gnu_needs(binary, floor, place).into_iter();
        for finding in found.chain(packed(binary, floor, place)) {
            let why = format!(
                "the wheel's tag {tag} promises that glibc {floor} is enough, and pip goes by it"
            );
            // On newer systems it loads.
            out.push(finding.severity(Severity::Warning).evidence(why));
        }
    }
    match (binary.c_library(), &promise.glibc, &promise.musl) {
        (Some((CLibrary::Musl, name)), Some((_, tag)), None) => {
            let message =
                format!("needs musl (`{name}`), but the wheel's tag {tag} promises glibc");
            let values = [("library", name)];
            let words = messages::of_system("library-not-found", binary.format, &values);
            out.push(
                Finding::new(&RULE, place, message)
                    .says_known(words)
                    .help("build it for glibc, or name the wheel for musl (`musllinux`)"),
            );
        }
        (Some((CLibrary::Gnu, name)), None, Some(tag)) => {
            out.undecided(
                &RULE,
                in_place_of_glibc(name, &format!("the wheel's tag {tag} promises musl")),
            );
        }
        _ => {}
    }
}

/// A file of glibc's on a system with musl, which answers for the names of glibc's libraries
/// and reads no versions.
fn for_musl(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let is_musl = context.target.is_some_and(|target| target.is_musl);
    let binary = artifact.binary.as_deref().filter(|_| is_musl);
    if artifact.role != Role::Unrelated
        && let Some((CLibrary::Gnu, name)) = binary.and_then(Binary::c_library)
    {
        out.undecided(&RULE, in_place_of_glibc(name, "the target has musl"));
    }
}

fn in_place_of_glibc(name: &str, why: &str) -> String {
    format!(
        "it was linked with glibc (it needs `{name}`), and {why}: whether musl has all that it asks for is not known"
    )
}

/// A library that asks for a stack with code: glibc 2.41 and later open none such
/// (its NEWS, "dlopen").
fn on_stack(binary: &Binary, floor: &Version, place: &Place) -> Option<Finding> {
    let is_opened = binary.kind == BinaryKind::SharedLibrary && binary.code_on_stack;
    let is_new = *floor >= Version(vec![2, 41]);
    let says = "cannot enable executable stack as shared object requires: Invalid argument";
    let message = format!(
        "it asks for a stack that may be executed, and the target has glibc {floor}: since 2.41 that refuses such libraries where they are opened"
    );
    (is_opened && is_new).then(|| {
        Finding::new(&RULE, place, message)
            .evidence("PT_GNU_STACK, which is executable or not there")
            .says(says)
            .help("link it with `-Wl,-z,noexecstack`, or clear the mark: `patchelf --clear-execstack FILE`")
    })
}

/// What an Apple or Android file asks of the system.
fn needs_newer(platform: Platform, minimum: &Version, floor: &Version) -> String {
    match platform {
        Platform::Android => {
            format!("the file was built for API level {minimum}, but the target has {floor}")
        }
        _ => {
            let system = platform.spoken();
            format!(
                "the file needs {system} {minimum} or later, but the target is {system} {floor}"
            )
        }
    }
}

/// How Apple's linker is told of an older system.
fn link_option(platform: Platform, floor: &Version) -> String {
    match platform {
        Platform::Ios => format!("link again with -miphoneos-version-min={floor}"),
        Platform::IosSimulator => format!("link again with -mios-simulator-version-min={floor}"),
        Platform::MacCatalyst => format!("link again with -target <arch>-apple-ios{floor}-macabi"),
        Platform::TvOs => format!("link again with -mtvos-version-min={floor}"),
        Platform::WatchOs => format!("link again with -mwatchos-version-min={floor}"),
        Platform::VisionOs => format!("link again with -target <arch>-apple-xros{floor}"),
        _ => format!("link again with -mmacosx-version-min={floor}"),
    }
}

/// Packed relocations that the loader of the floor does not read. It says nothing of them;
/// where the file asks for glibc's own mark too, [`gnu_needs`] has told it.
fn packed(binary: &Binary, floor: &Version, place: &Place) -> Vec<Finding> {
    let is_android = binary.platform == Platform::Android;
    let mut needs = binary.version_needs.iter();
    let is_marked = needs.any(|need| need.version == gnu_versions::RELR_MARK);
    let since = |packing: &Packing| match (packing, is_android) {
        (Packing::Relr, false) if !is_marked => Some(("DT_RELR", "glibc", vec![2, 36])),
        (Packing::Relr, true) => Some(("DT_RELR", "Android's API level", vec![30])),
        (Packing::AndroidRelr, true) => Some(("DT_ANDROID_RELR", "Android's API level", vec![28])),
        (Packing::Android, true) => Some(("DT_ANDROID_RELA", "Android's API level", vec![23])),
        _ => None,
    };
    let packings = binary.packed.iter().filter_map(since);
    let packings = packings.map(|(tag, system, since)| (tag, system, Version(since)));
    let too_new = packings.filter(|(.., since)| since > floor);
    let finding = |(tag, system, since): (&str, &str, Version)| {
        Finding::new(
            &RULE,
            place,
            format!("its relocations are packed ({tag}); only {system} {since} and later reads them, but the target has {floor}"),
        )
        .evidence("the loader prints nothing: the process ends with a memory fault")
        .help("link it with `-Wl,-z,nopack-relative-relocs` (GNU ld) or `-Wl,--pack-dyn-relocs=none` (lld)")
    };
    too_new.map(finding).collect()
}

/// What the newest versions of glibc and of GCC's libraries ask for, where that is
/// more than a system of this glibc has.
fn gnu_needs(binary: &Binary, floor: &Version, place: &Place) -> Vec<Finding> {
    let mut glibc: Option<(Version, &VersionNeed)> = None;
    let mut gcc: Option<(Version, &VersionNeed)> = None;
    // What is bundled under another name is not the system's.
    let needs = binary.version_needs.iter();
    for need in needs.filter(|need| system::is_base(&need.library)) {
        let (newest, version) = match gnu_versions::wanted(need) {
            Some(Wanted::Glibc(version)) => (&mut glibc, version),
            Some(Wanted::Gcc(version)) => (&mut gcc, version),
            None => continue,
        };
        if newest.as_ref().is_none_or(|(known, _)| version > *known) {
            *newest = Some((version, need));
        }
    }
    let finding = |need: &VersionNeed, message: String| {
        Finding::new(&RULE, place, message)
            .evidence(format!(
                "{place} asks {} for {}",
                need.library, need.version
            ))
            .says_known(messages::of_system(
                "version-not-found",
                Format::Elf,
                &[("version", &need.version), ("file", &place.name())],
            ))
    };
    let mut findings = Vec::new();
    if let Some((version, need)) = glibc.filter(|(version, _)| version > floor) {
        findings.push(
            finding(need, format!("needs glibc {version}, but the target has {floor}"))
                .help("build in a container of the oldest system you support, or with `zig cc -target <arch>-linux-gnu.<floor>`"),
        );
    }
    let has = gnu_versions::gcc_of(floor);
    if let (Some((version, need)), Some(has)) = (gcc, has)
        && version > has
    {
        let name = need.library.split(".so").next().unwrap_or(&need.library);
        findings.push(
            finding(need, format!("needs the {name} of GCC {version}; systems with glibc {floor} have that of GCC {has} or later"))
                .help("build with the compiler of the oldest system you support (on RHEL a gcc-toolset, whose newer parts are linked statically), or link with -static-libstdc++ -static-libgcc"),
        );
    }
    findings
}
