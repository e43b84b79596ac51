//! AC004 signature: Apple silicon loads no code without a valid signature.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::{ProblemKind, Role};
use crate::container::{Architecture, BinaryKind, Format, Signature};
use crate::finding::{Finding, Location, Repair, Severity};

pub(super) static RULE: Rule = Rule {
    code: "AC004",
    name: "signature",
    severity: Severity::Error,
    summary: "a Mach-O file for arm64 has no code signature, or was changed after it was signed",
    explain: include_str!("ac004_signature.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    // Objects are signed by the link that uses them.
    if binary.format != Format::MachO
        || binary.kind == BinaryKind::Object
        || artifact.role == Role::Unrelated
    {
        return;
    }
    // Only Apple silicon refuses what is unsigned; elsewhere a signature that
    // does not match is worth a word, since not every loader checks it.
    let enforced = binary.architecture == Architecture::Aarch64;
    let broken = artifact
        .problems
        .iter()
        .find(|problem| problem.kind == ProblemKind::BrokenSignature);
    let finding = match (&binary.signature, broken) {
        (Signature::Unsigned | Signature::Malformed, None) if !enforced => return,
        (Signature::Unsigned, _) => {
            Finding::new(&RULE, &artifact.path, "the file has no code signature")
                .evidence("macOS refuses the file when it is loaded")
        }
        (Signature::Malformed, _) => {
            Finding::new(&RULE, &artifact.path, "the code signature cannot be read")
                .evidence("macOS refuses the file when it is loaded")
        }
        (_, Some(problem)) => Finding::new(
            &RULE,
            &artifact.path,
            "the file was changed after it was signed",
        )
        .at(Location {
            offset: problem.offset,
            ..Location::default()
        })
        .evidence(problem.detail.clone())
        .evidence("macOS ends the process when it first touches the changed page"),
        _ => return,
    };
    let severity = if enforced {
        Severity::Error
    } else {
        Severity::Warning
    };
    out.push(
        finding
            .severity(severity)
            .help("sign it: `artcheck patch sign` or `artcheck fix` writes an ad-hoc signature, as does `codesign --force --sign -` on a Mac")
            .repair(&[Repair::InPlace]),
    );
}
