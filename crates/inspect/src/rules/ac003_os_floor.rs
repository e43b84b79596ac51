//! AC003 os-floor: asks for a newer system than the oldest one to support.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Role;
use crate::container::Platform;
use crate::finding::{Finding, Severity};
use crate::target::Target;
use crate::version::Version;

pub(super) static RULE: Rule = Rule {
    code: "AC003",
    name: "os-floor",
    severity: Severity::Error,
    summary: "glibc, libstdc++ or macOS/iOS version asked for is newer than the stated floor",
    explain: include_str!("ac003_os_floor.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let (
        Some(binary),
        Some(Target {
            platform,
            floor: Some(floor),
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
            for (version, need) in glibc_needs(&binary.version_needs) {
                if version > *floor {
                    out.push(
                        Finding::new(&RULE, &artifact.path, format!("needs glibc {version}, the floor is {floor}"))
                            .evidence(format!("{} asks {} for {}", artifact.path, need.library, need.version))
                            .says(format!("version `{}' not found (required by {})", need.version, artifact.path.name()))
                            .help("build in a container of the oldest system you support, or with `zig cc -target <arch>-linux-gnu.<floor>`"),
                    );
                    break;
                }
            }
        }
        _ => {
            let is_android = *platform == Platform::Android;
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
                    format!("minimum system is {minimum}, the floor is {floor}"),
                );
                out.push(if is_android {
                    // The loader reads no level; it misses what the level brought.
                    finding
                        .severity(Severity::Warning)
                        .evidence("API level of the file's note .note.android.ident")
                        .help("compile for the API level of the floor (`--target=<arch>-linux-android<level>`)")
                } else {
                    finding
                        .evidence("LC_BUILD_VERSION / LC_VERSION_MIN of the file")
                        .help("link with -mmacosx-version-min=<floor> (or the iOS option of that name)")
                });
            }
        }
    }
}

/// glibc versions asked for, newest first.
fn glibc_needs(
    needs: &[crate::container::VersionNeed],
) -> Vec<(Version, &crate::container::VersionNeed)> {
    let mut found: Vec<_> = needs
        .iter()
        .filter_map(|need| {
            Some((
                need.version
                    .strip_prefix("GLIBC_")?
                    .parse::<Version>()
                    .ok()?,
                need,
            ))
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found
}
