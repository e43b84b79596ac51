//! AC005 page-size: Android devices with 16 KiB pages load only libraries that
//! are laid out for them, in the file and in the APK.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::{Artifact, Role};
use crate::container::{Architecture, Binary, BinaryKind, InZip, Platform, Segment};
use crate::finding::{Finding, Location, Severity};
use crate::target::Target;
use crate::version::Version;

pub(super) static RULE: Rule = Rule {
    code: "AC005",
    name: "page-size",
    severity: Severity::Error,
    summary: "an Android library is not laid out for memory pages of 16 KiB",
    explain: include_str!("ac005_page_size.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

/// The larger pages of 64-bit Android devices since Android 15.
const PAGE: u64 = 16 << 10;
/// The API level of Android 15.
const ANDROID_15: u32 = 35;

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    let is_64 = matches!(
        binary.architecture,
        Architecture::Aarch64 | Architecture::X86_64
    );
    // In an APK every library is loaded; elsewhere only TVM's family is judged.
    let is_subject = artifact.role != Role::Unrelated || is_in_apk(artifact);
    if !is_64 || binary.segments.is_empty() || !is_subject {
        return;
    }
    let Some(severity) = severity(artifact, binary, context.target) else {
        return;
    };
    check_segments(artifact, binary, severity, out);
    if is_in_apk(artifact) && binary.kind == BinaryKind::SharedLibrary {
        check_place(artifact, severity, out);
    }
}

/// How bad it is; `None` where such pages are not met. The target says, else the
/// file: the API level of its note, or that it is in an APK.
fn severity(artifact: &Artifact, binary: &Binary, target: Option<&Target>) -> Option<Severity> {
    let has_15 = |level: &Version| *level >= Version(vec![ANDROID_15]);
    if let Some(target) = target {
        let floor = target.floor.as_ref();
        let is_meant = target.platform == Platform::Android
            && target.architecture == binary.architecture
            && floor.is_some_and(has_15);
        return is_meant.then_some(Severity::Error);
    }
    let level = binary.min_os.as_deref().and_then(|text| text.parse().ok());
    match level.filter(|_| binary.platform == Platform::Android) {
        Some(level) if has_15(&level) => Some(Severity::Error),
        // It runs on older systems too, of which none has such pages.
        Some(_) => Some(Severity::Warning),
        None => is_in_apk(artifact).then_some(Severity::Warning),
    }
}

fn is_in_apk(artifact: &Artifact) -> bool {
    let archive = artifact.path.archive();
    archive.is_some_and(|archive| has_suffix(archive.raw_name(), b".apk"))
}

fn has_suffix(name: &[u8], suffix: &[u8]) -> bool {
    let start = name.len().checked_sub(suffix.len());
    let end = start.and_then(|start| name.get(start..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Segments that cannot be mapped in such pages.
fn check_segments(artifact: &Artifact, binary: &Binary, severity: Severity, out: &mut Outcome) {
    let shift = |segment: &Segment| segment.address.wrapping_sub(segment.file_offset);
    let is_wrong =
        |segment: &&Segment| segment.alignment < PAGE || shift(segment) & (PAGE - 1) != 0;
    let wrong: Vec<&Segment> = binary.segments.iter().filter(is_wrong).collect();
    let Some(least) = wrong.iter().map(|segment| segment.alignment).min() else {
        return;
    };
    let mut finding = Finding::new(
        &RULE,
        &artifact.path,
        match least < PAGE {
            true => format!("its segments are aligned to {least} bytes, but pages have {PAGE}"),
            false => format!("its segments are not placed in memory as in the file, counted in pages of {PAGE} bytes"),
        },
    )
    .severity(severity)
    .says_known((least < PAGE).then(|| format!(
        "dlopen failed: \"{}\" program alignment ({least}) cannot be smaller than system page size ({PAGE})",
        artifact.path.name()
    )))
    .help("link it again with `-Wl,-z,max-page-size=16384`; the NDK does so from r28 on, r27 with ANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON. Segments cannot be moved in a linked file");
    for segment in wrong.into_iter().take(8) {
        finding = finding
            .at(Location::at(segment.file_offset))
            .evidence(format!(
                "LOAD of file offset {:#x} at address {:#x}: p_align {:#x}",
                segment.file_offset, segment.address, segment.alignment
            ));
    }
    if least >= PAGE {
        finding = finding.evidence(
            "whole pages are mapped: these addresses get other bytes than the linker meant",
        );
    }
    out.push(finding);
}

/// A library that Android does not map from the APK where it is.
fn check_place(artifact: &Artifact, severity: Severity, out: &mut Outcome) {
    let finding = match artifact.in_zip {
        Some(InZip::Stored { at }) if at & (PAGE - 1) != 0 => Finding::new(
            &RULE,
            &artifact.path,
            format!("its bytes begin at {at:#x} of the APK, at no multiple of {PAGE}"),
        )
        .severity(severity)
        .says(format!(
            "dlopen failed: file offset for the library \"{}\" is not page-aligned: {at}",
            artifact.path.name()
        )),
        // Android unpacks it when the manifest says so, which is not read.
        Some(InZip::Packed) => Finding::new(
            &RULE,
            &artifact.path,
            "it is compressed in the APK: Android cannot map it from there",
        )
        .severity(Severity::Warning)
        .says("INSTALL_FAILED_INVALID_APK: Failed to extract native libraries, res=-2")
        .evidence(
            "it works where the manifest has android:extractNativeLibs=\"true\", which is not read",
        ),
        _ => return,
    };
    out.push(finding.help(
        "store it at a multiple of 16 KiB: `artcheck patch align FILE.apk`, or `zipalign -P 16`, then sign the APK again; the Android Gradle plugin does so from 8.5.1 on",
    ));
}
